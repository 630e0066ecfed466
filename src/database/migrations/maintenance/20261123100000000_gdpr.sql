-- Copies for whoever queries by hand; the originals lie in the lake, which a restore of the
-- database does not take back. No identifier is here, only digests under a secret key.
CREATE TABLE maintenance.gdpr_tombstones (
  request_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('customer', 'buyer', 'email', 'phone', 'pseudonym')),
  digest text NOT NULL,
  key_id text NOT NULL,
  effective_at timestamptz NOT NULL,
  epoch integer NOT NULL,
  PRIMARY KEY (request_id, kind, digest)
);

CREATE TABLE maintenance.gdpr_erasures (
  request_id text PRIMARY KEY,
  run_id text NOT NULL,
  plan_hash text NOT NULL,
  erased_at timestamptz NOT NULL,
  -- Rows by table, as they were deleted, redacted or kept.
  tables jsonb NOT NULL
);

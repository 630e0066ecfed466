-- Copies of the local journals, for everybody to query. The journal in the state directory is the
-- original: these rows are written again until they hold all of it.
CREATE TABLE maintenance.runbook_runs (
  run_id text PRIMARY KEY,
  runbook text NOT NULL,
  title text NOT NULL,
  state text NOT NULL CHECK (state IN
    ('running', 'waiting', 'succeeded', 'failed', 'refused', 'aborted', 'interrupted')),
  reason text,
  input jsonb NOT NULL,
  dry_run boolean NOT NULL,
  incident text,
  started_by jsonb NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  plan_hash text,
  definition text NOT NULL,
  tool_version text NOT NULL,
  entries integer NOT NULL,
  -- Hash of the last entry: the whole chain hangs on it.
  head text NOT NULL
);
CREATE INDEX runbook_runs_started ON maintenance.runbook_runs (started_at);
CREATE INDEX runbook_runs_incident ON maintenance.runbook_runs (incident);

CREATE TABLE maintenance.runbook_events (
  run_id text NOT NULL REFERENCES maintenance.runbook_runs,
  seq integer NOT NULL,
  at timestamptz NOT NULL,
  type text NOT NULL,
  step text,
  event jsonb NOT NULL,
  prev text NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (run_id, seq)
);

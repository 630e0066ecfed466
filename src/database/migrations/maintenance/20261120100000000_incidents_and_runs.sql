CREATE SCHEMA IF NOT EXISTS maintenance;

-- Names and types as people query them by hand; what is added later stands beside them.
CREATE TABLE maintenance.incidents (
  incident_id serial PRIMARY KEY,
  opened_at timestamp DEFAULT now(),
  closed_at timestamp,
  severity varchar(10),
  status varchar(20),
  batch_id varchar(30),
  summary text,
  root_cause text,
  action_taken text,
  owner varchar(50)
);

CREATE TABLE maintenance.pipeline_runs (
  run_id text PRIMARY KEY,
  batch_id text NOT NULL,
  command text NOT NULL,
  status text CHECK (status IN ('running', 'succeeded', 'failed', 'partial', 'interrupted')),
  started_at timestamptz,
  finished_at timestamptz,
  seconds double precision,
  stages jsonb NOT NULL DEFAULT '[]',
  owner jsonb NOT NULL,
  error_code text,
  error_message text,
  tool_version text NOT NULL
);
CREATE INDEX pipeline_runs_started ON maintenance.pipeline_runs (started_at);

-- Which batches the serving table holds, and what their scores were computed with.
CREATE TABLE maintenance.fact_loads (
  batch_id text PRIMARY KEY,
  loaded_at timestamptz NOT NULL,
  rows bigint NOT NULL,
  snapshot_at timestamptz NOT NULL,
  settings jsonb NOT NULL
);

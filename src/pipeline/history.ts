import type { Config } from '../config/schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { type Owner, ownerState } from '../system/owner.js';
import type { StageResult } from './stage.js';

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'partial' | 'interrupted';

export interface PipelineRun {
  runId: string;
  batchId: string;
  /** What was asked for: `run`, `extract`, … */
  command: string;
  status: RunStatus;
  startedAt: string;
  finishedAt: string | null;
  seconds: number | null;
  stages: StageResult[];
  owner: Owner;
  errorCode: string | null;
  errorMessage: string | null;
  toolVersion: string;
}

export interface HistoryOptions {
  target: DatabaseTarget;
  settings: Config['database'];
  signal: AbortSignal;
}

const connect = <T>(options: HistoryOptions, work: (client: DatabaseClient) => Promise<T>) =>
  withClient(options.target, { purpose: 'run history', ...options }, work);

/**
 * Writes the run as it stands to `maintenance.pipeline_runs`; the run id is the key. `ready` has a
 * look at the database first, and throws when the run cannot end well there.
 */
export const recordRun = (
  options: HistoryOptions,
  run: PipelineRun,
  ready?: (client: DatabaseClient) => Promise<void>,
): Promise<void> =>
  connect(options, async (client) => {
    await ready?.(client);
    await client.execute(
      `INSERT INTO maintenance.pipeline_runs
         (run_id, batch_id, command, status, started_at, finished_at, seconds, stages, owner,
          error_code, error_message, tool_version)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       ON CONFLICT (run_id) DO UPDATE SET
         status = excluded.status, finished_at = excluded.finished_at, seconds = excluded.seconds,
         stages = excluded.stages, error_code = excluded.error_code,
         error_message = excluded.error_message`,
      [
        run.runId,
        run.batchId,
        run.command,
        run.status,
        run.startedAt,
        run.finishedAt,
        run.seconds,
        JSON.stringify(run.stages),
        JSON.stringify(run.owner),
        run.errorCode,
        run.errorMessage,
        run.toolVersion,
      ],
    );
  });

interface RunRow {
  run_id: string;
  batch_id: string;
  command: string;
  status: RunStatus;
  started_at: Date;
  finished_at: Date | null;
  seconds: number | null;
  stages: StageResult[];
  owner: Owner;
  error_code: string | null;
  error_message: string | null;
  tool_version: string;
}

const fromRow = (row: RunRow): PipelineRun => ({
  runId: row.run_id,
  batchId: row.batch_id,
  command: row.command,
  // A run whose process is gone did not end by itself: it was killed.
  status: row.status === 'running' && ownerState(row.owner) === 'gone' ? 'interrupted' : row.status,
  startedAt: row.started_at.toISOString(),
  finishedAt: row.finished_at?.toISOString() ?? null,
  seconds: row.seconds,
  stages: row.stages,
  owner: row.owner,
  errorCode: row.error_code,
  errorMessage: row.error_message,
  toolVersion: row.tool_version,
});

/** At most so many are given, the newest. */
const mostRuns = 200;

/** Runs with one of these ids, and those of a batch that were started within a span of time. */
export async function runsOfSpan(
  client: Pick<DatabaseClient, 'query'>,
  {
    runIds,
    batchId,
    from,
    until,
  }: {
    runIds: readonly string[];
    batchId: string | null;
    from: Date;
    until: Date;
  },
): Promise<PipelineRun[]> {
  const rows = await client.query<RunRow>(
    `SELECT * FROM maintenance.pipeline_runs
     WHERE run_id = ANY ($1) OR batch_id = $2 AND started_at BETWEEN $3 AND $4
     ORDER BY started_at DESC, run_id DESC LIMIT ${mostRuns}`,
    [runIds, batchId, from, until],
  );
  return rows.map(fromRow).reverse();
}

export interface RunWithMean extends PipelineRun {
  /** Mean duration of the earlier succeeded runs of the same command, up to 20; null without any. */
  meanSeconds: number | null;
  /** `seconds / meanSeconds`. */
  ratio: number | null;
}

/** The last runs, newest first, each against the mean of those before it. */
export const lastRuns = (options: HistoryOptions, limit: number): Promise<RunWithMean[]> =>
  connect(options, (client) => readLastRuns(client, limit));

/** The same over a connection that is open. */
export async function readLastRuns(
  client: Pick<DatabaseClient, 'query'>,
  limit: number,
): Promise<RunWithMean[]> {
  const rows = await client.query<RunRow & { mean_seconds: number | null }>(
    `SELECT run.*, mean.seconds AS mean_seconds
     FROM maintenance.pipeline_runs run
     LEFT JOIN LATERAL (
       SELECT avg(recent.seconds) AS seconds FROM (
         SELECT earlier.seconds FROM maintenance.pipeline_runs earlier
         WHERE earlier.command = run.command AND earlier.status = 'succeeded'
           AND earlier.started_at < run.started_at
         ORDER BY earlier.started_at DESC LIMIT 20
       ) recent
     ) mean ON true
     ORDER BY run.started_at DESC, run.run_id DESC
     LIMIT $1`,
    [limit],
  );
  return rows.map((row) => ({
    ...fromRow(row),
    meanSeconds: row.mean_seconds,
    ratio:
      row.mean_seconds === null || row.mean_seconds === 0 || row.seconds === null
        ? null
        : row.seconds / row.mean_seconds,
  }));
}

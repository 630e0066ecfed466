import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import type { DatabaseClient } from '../database/client.js';
import { requireSchema } from '../database/migrate.js';
import type { DatabaseTarget } from '../database/target.js';
import { loadEngine } from '../engine/session.js';
import type { Lake } from '../lake/lake.js';
import { runMetricsKey } from '../lake/layout.js';
import type { Lease } from '../lake/lease.js';
import { formatCount } from '../system/duration.js';
import {
  ExitCode,
  errorMessage,
  invalid,
  isOperatorError,
  OperatorError,
  throwIfAborted,
} from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import type { JobContext } from '../system/progress.js';
import { type ClaimedBatch, claimBatch } from './batch.js';
import { extract } from './extract/extract.js';
import { type PipelineRun, type RunStatus, recordRun } from './history.js';
import { load } from './load.js';
import { openRunLog, publishLeftoverLogs, type RunLog } from './log.js';
import { model } from './model.js';
import { scoreWeights } from './score.js';
import { layerOf, type Stage, type StageContext, type StageResult, stages } from './stage.js';
import { transform } from './transform.js';

export interface PipelineEnvironment {
  job: JobContext;
  config: Config;
  lake: Lake;
  database(): Promise<DatabaseTarget>;
  pseudonymKey: Uint8Array;
  scratch: string;
  /** Where logs are written until they are delivered to the lake. */
  logsDirectory: string;
  tool: { name: string; version: string };
  redact: (text: string) => string;
  /** Told of a run that fails, before its error is thrown. */
  onFailure?(run: { runId: string; batchId: string; stage: Stage | undefined }): void;
}

export interface PipelineRequest {
  /** What was typed, for the history: `run` or a stage. */
  command: 'run' | Stage;
  /** A new one is made when absent, which only a run from extract can do. */
  batchId?: string;
  from: Stage;
  to: Stage;
  /** Extract these tables only. */
  tables?: readonly string[];
}

export interface PipelineResult {
  runId: string;
  batchId: string;
  status: 'succeeded';
  stages: StageResult[];
  /** Wall time of the whole run. */
  seconds: number;
}

/** How long a run that the operator stops may take to tell the database so. */
const farewellMilliseconds = 1_000;

/**
 * Runs stages `from` to `to` on one batch, under the batch's lease, with log, metrics and history.
 * A caller that holds the batch already hands it over in `held`, and gives it back itself.
 *
 * @throws LEASE_HELD when another process works on the batch; otherwise what a stage throws, with
 * the stage and the command that resumes: exit 4 when earlier stages were done, 130 on Ctrl-C
 */
export async function runPipeline(
  environment: PipelineEnvironment,
  request: PipelineRequest,
  held?: ClaimedBatch,
): Promise<PipelineResult> {
  const planned = planStages(request);
  // Wrong weights are refused before an hour of extracting, not after.
  if (planned.includes('model')) scoreWeights(environment.config.pipeline.score);
  const { lake, job, logsDirectory } = environment;
  await publishLeftoverLogs(logsDirectory, lake);
  const { batchId, lease } = held ?? (await claimBatch(lake, request.batchId, job));
  try {
    const runId = `${batchId}-${randomBytes(4).toString('hex')}`;
    const log = await openRunLog(logsDirectory, runId, environment.redact);
    try {
      return await new Run(environment, request, { runId, batchId, lease, log }).perform(planned);
    } finally {
      await log.publish(lake).catch((error: unknown) => {
        const path = join(logsDirectory, `${runId}.jsonl`);
        job.report({
          type: 'warning',
          message: `The log could not be delivered and stays at ${path}: ${errorMessage(error)}`,
        });
      });
    }
  } finally {
    if (held === undefined) await lease.release();
  }
}

function planStages({ from, to, batchId }: PipelineRequest): Stage[] {
  const planned = stages.slice(stages.indexOf(from), stages.indexOf(to) + 1);
  if (planned.length === 0) {
    throw invalid('STAGES_INVALID', `Stage ${to} comes before ${from}.`, {
      hint: `The order is ${stages.join(', ')}.`,
    });
  }
  if (batchId === undefined && from !== 'extract') {
    throw invalid('BATCH_ID_MISSING', `Stage ${from} works on a batch that exists already.`, {
      hint: 'Name it with --batch-id; `reviewops batch list` shows the batches.',
    });
  }
  return planned;
}

interface RunParts {
  runId: string;
  batchId: string;
  lease: Lease;
  log: RunLog;
}

/** A look at the database before a run. */
type Ready = (client: DatabaseClient) => Promise<void>;

/** One run from its first line of log to its last. */
class Run {
  readonly #environment: PipelineEnvironment;
  readonly #request: PipelineRequest;
  readonly #parts: RunParts;
  readonly #signal: AbortSignal;
  readonly #startedAt: Date;
  readonly #started = performance.now();
  readonly #done: StageResult[] = [];
  #recorded = false;

  constructor(environment: PipelineEnvironment, request: PipelineRequest, parts: RunParts) {
    this.#environment = environment;
    this.#request = request;
    this.#parts = parts;
    this.#signal = AbortSignal.any([environment.job.signal, parts.lease.lost]);
    this.#startedAt = environment.job.now();
  }

  async perform(planned: Stage[]): Promise<PipelineResult> {
    const { runId, batchId, log } = this.#parts;
    const logger = log.logger('pipeline');
    logger.info({ batchId, stages: planned }, 'run started');
    // While the database answers.
    loadEngine();
    try {
      await this.#recordStart(planned);
      for (const stage of planned) await this.#performStage(stage);
      throwIfAborted(this.#signal);
    } catch (error) {
      const stage = planned[this.#done.length];
      const described = this.#describe(error, stage);
      this.#environment.onFailure?.({ runId, batchId, stage });
      logger.error(
        { batchId, code: isOperatorError(described) ? described.code : 'BUG' },
        errorMessage(described),
      );
      await this.#recordEnd(statusOf(described, this.#done.length), described);
      throw described;
    }
    logger.info({ batchId, seconds: this.#seconds() }, 'run finished');
    await this.#recordEnd('succeeded');
    return { runId, batchId, status: 'succeeded', stages: this.#done, seconds: this.#seconds() };
  }

  async #performStage(stage: Stage): Promise<void> {
    const { batchId, log } = this.#parts;
    const logger = log.logger(stage);
    logger.info({ batchId }, 'stage started');
    const result = await this.#stage(stage, { ...this.#context(), log: logger });
    this.#done.push(result);
    logger.info({ batchId, ...result }, 'stage finished');
    this.#environment.job.report({
      type: 'finished',
      task: stage,
      seconds: result.seconds,
      summary: `${formatCount(result.rowsOut)} rows${result.rejected > 0 ? `, ${formatCount(result.rejected)} rejected` : ''}`,
    });
  }

  #stage(stage: Stage, context: StageContext): Promise<StageResult> {
    const { batchId } = this.#parts;
    switch (stage) {
      case 'extract':
        return extract(
          context,
          batchId,
          this.#request.tables === undefined ? {} : { tables: this.#request.tables },
        );
      case 'transform':
        return transform(context, batchId);
      case 'model':
        return model(context, batchId);
      case 'load':
        // A batch extracted just now must not undo what a later one has published meanwhile;
        // an older batch that is named is wanted (a rollback).
        return load(context, batchId, { unlessNewer: this.#request.from === 'extract' });
    }
  }

  #context(): Omit<StageContext, 'log'> {
    const { job, redact: _redact, logsDirectory: _directory, ...shared } = this.#environment;
    const published = new Set(this.#done.flatMap(({ stage }) => layerOf[stage] ?? []));
    return { ...shared, ...job, published, signal: this.#signal };
  }

  async #recordStart(planned: Stage[]): Promise<void> {
    const needsDatabase = planned.includes('extract') || planned.includes('load');
    try {
      const { config } = this.#environment;
      // What a load would refuse is refused before an hour of extracting.
      const ready: Ready | undefined = planned.includes('load')
        ? (client) => requireSchema(client, config)
        : undefined;
      await this.#record('running', this.#signal, { ready });
      this.#recorded = true;
    } catch (error) {
      if (needsDatabase || !isOperatorError(error) || this.#signal.aborted) throw error;
      this.#environment.job.report({
        type: 'warning',
        message: `This run will not appear in the history: ${error.message}`,
      });
    }
  }

  /** Metrics and history of a run that has ended; neither failing changes how it ended. */
  async #recordEnd(status: RunStatus, error?: unknown): Promise<void> {
    try {
      await this.#environment.lake.put(
        runMetricsKey,
        `${JSON.stringify(this.#metrics(status), null, 2)}\n`,
      );
      if (this.#recorded) {
        await this.#record(status, farewell(this.#environment.job.signal), { error });
      }
    } catch (failure) {
      this.#environment.job.report({
        type: 'warning',
        message: `The end of the run could not be recorded: ${errorMessage(failure)}`,
      });
    }
  }

  async #record(
    status: RunStatus,
    signal: AbortSignal,
    { error, ready }: { error?: unknown; ready?: Ready | undefined } = {},
  ): Promise<void> {
    const { config, database, job, tool } = this.#environment;
    const over = status !== 'running';
    const run: PipelineRun = {
      runId: this.#parts.runId,
      batchId: this.#parts.batchId,
      command: this.#request.command,
      status,
      startedAt: this.#startedAt.toISOString(),
      finishedAt: over ? job.now().toISOString() : null,
      seconds: over ? this.#seconds() : null,
      stages: this.#done,
      owner: thisProcess(),
      errorCode: error === undefined ? null : isOperatorError(error) ? error.code : 'BUG',
      errorMessage: error === undefined ? null : this.#environment.redact(errorMessage(error)),
      toolVersion: tool.version,
    };
    const options = { target: await database(), settings: config.database, signal };
    await recordRun(options, run, ready);
  }

  /** `last_run_metrics.json`: how the last run went, for whoever looks into the lake. */
  #metrics(status: RunStatus): object {
    const rows = (stage: Stage) =>
      this.#done.find((result) => result.stage === stage)?.rowsOut ?? null;
    return {
      runId: this.#parts.runId,
      batchId: this.#parts.batchId,
      status,
      startedAt: this.#startedAt.toISOString(),
      seconds: this.#seconds(),
      stages: this.#done,
      rows: { bronze: rows('extract'), silver: rows('transform'), gold: rows('model') },
    };
  }

  /** Adds where the run stopped, what it leaves, and how to go on. */
  #describe(error: unknown, stage: Stage | undefined): unknown {
    if (!isOperatorError(error) || stage === undefined) return error;
    const { batchId } = this.#parts;
    const done = this.#done.map((result) => result.stage);
    // Nothing was touched: there is nothing to resume.
    if (error.exitCode === ExitCode.usage && done.length === 0) return error;
    const resume = `reviewops pipeline run --batch-id ${batchId} --from ${stage}`;
    const kept = done.length > 0 ? `${done.join(', ')} done` : 'nothing of it is visible';
    const exitCode =
      done.length > 0 && error.exitCode === ExitCode.failed ? ExitCode.partial : error.exitCode;
    return new OperatorError(
      error.code,
      exitCode,
      `${stage}: ${error.message} Batch ${batchId}: ${kept}.`,
      {
        hint: `${error.hint === undefined ? '' : `${error.hint} `}To go on: ${resume}`,
        cause: error,
      },
    );
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }
}

/**
 * Fires a moment after the operator stops. A run that ends by itself may take longer: a database
 * that slept through the other stages wakes up first.
 */
function farewell(signal: AbortSignal): AbortSignal {
  const late = new AbortController();
  const giveUp = () => {
    setTimeout(() => late.abort(signal.reason), farewellMilliseconds).unref();
  };
  if (signal.aborted) giveUp();
  else signal.addEventListener('abort', giveUp, { once: true });
  return late.signal;
}

function statusOf(error: unknown, done: number): RunStatus {
  if (isOperatorError(error) && error.exitCode === ExitCode.interrupted) return 'interrupted';
  return done > 0 ? 'partial' : 'failed';
}

import type { Severity } from '../config/incidents-schema.js';
import { cureOfError } from '../health/cures.js';
import type { CheckResult } from '../health/runner.js';
import { ExitCode, errorMessage, isOperatorError } from '../system/errors.js';
import type { CureOfIncident, Occurrence, Service } from './events.js';
import { rank } from './severity.js';

/**
 * What opens an incident, by what cause, how urgent. Causes are told apart by what is broken, not by
 * who noticed it: a database that cannot be reached is one cause for the pipeline, a runbook and the
 * health check alike.
 */

/** Levels that the configuration sets in place of these rules, by check, code or runbook. */
export type Overrides = Readonly<Record<string, Severity>>;

/** A signal without the id and time that it gets where it was seen. */
export interface Cause {
  occurrence: Occurrence & { cause: string };
  /** The trace of a run that failed, rather than a cause of its own. */
  trace: boolean;
}

/** Errors of one batch's data; another batch has them for reasons of its own. */
const ofData = /^(FILE|MANIFEST|OBJECT|BATCH|SILVER|GOLD|LAYER)_/;

/**
 * What the caller got wrong is no incident; a table that is gone is one. A schema that was never
 * made, or is of another version, asks for a command before anything was done.
 */
const structural = /^(?!SCHEMA_(MISSING|OLDER|NEWER)$)(TABLE|COLUMN|SCHEMA)_(?!NOT_SELECTED)/;

/** Whether a failure is one of the system, not of whoever typed the command. */
export function isFailure(error: unknown): boolean {
  if (!isOperatorError(error)) return true;
  const { exitCode, code } = error;
  if (exitCode === ExitCode.usage) return structural.test(code);
  return exitCode !== ExitCode.refused && exitCode !== ExitCode.interrupted;
}

const codeOf = (error: unknown): string => (isOperatorError(error) ? error.code : 'BUG');

const isDown = (error: unknown): boolean =>
  isOperatorError(error) && error.exitCode === ExitCode.unreachable;

const serviceOf = (code: string): Service => (code.startsWith('DATABASE_') ? 'database' : 'etl');

export interface FailedRun {
  /** Absent for a run that did not get as far as to have one. */
  runId?: string;
  batchId?: string;
  stage?: string;
  error: unknown;
}

/** A run of the pipeline that failed: service down (P1) or pipeline stopped (P2). */
export function causeOfRun(run: FailedRun, overrides: Overrides): Cause {
  const { error, batchId, runId, stage } = run;
  const code = codeOf(error);
  const hint = isOperatorError(error) ? error.hint : undefined;
  const cure = cureOfError(code, batchId);
  const severity = overrides[code] ?? (isDown(error) || /NO_ROWS/.test(code) ? 'P1' : 'P2');
  return {
    occurrence: {
      source: 'pipeline',
      summary: errorMessage(error),
      severity,
      cause: causeOfCode(code, isDown(error), batchId),
      service: isDown(error) ? serviceOf(code) : 'etl',
      check: pipelineCheck,
      code,
      ...(batchId === undefined ? {} : { batchId }),
      ...(runId === undefined ? {} : { runId }),
      ...(cure === undefined ? {} : { runbook: cure }),
      ...(hint === undefined ? {} : { next: hint }),
      evidence: { code, stage: stage ?? null, batchId: batchId ?? null, runId: runId ?? null },
    },
    trace: ofData.test(code),
  };
}

/** What a failed run of the pipeline is called among the findings; the next success ends it. */
export const pipelineCheck = 'pipeline-run';

function causeOfCode(code: string, down: boolean, batchId: string | undefined): string {
  if (down) return `error/${code}`;
  if (ofData.test(code) && batchId !== undefined) return `batch/${batchId}`;
  return `run/${code}`;
}

export interface FailedRunbook {
  runId: string;
  runbook: string;
  input: Record<string, unknown>;
  error: unknown;
}

/** A runbook that failed: a service that is down is P1, anything else degraded (P3). */
export function causeOfRunbook(run: FailedRunbook, overrides: Overrides): Cause {
  const { runId, runbook, input, error } = run;
  const code = codeOf(error);
  const down = isDown(error);
  const batchId = typeof input.batchId === 'string' ? input.batchId : undefined;
  return {
    occurrence: {
      source: 'runbook',
      summary: `Runbook ${runbook} failed: ${errorMessage(error)}`,
      severity: overrides[runbook] ?? overrides[code] ?? (down ? 'P1' : 'P3'),
      cause: down ? `error/${code}` : `runbook/${runbook}/${code}/${canonical(input)}`,
      runId,
      code,
      ...(down ? { service: serviceOf(code) } : {}),
      ...(batchId === undefined ? {} : { batchId }),
      next: `reviewops runbook resume ${runId}`,
      evidence: { code, runbook, input, runId },
    },
    trace: false,
  };
}

/** Order of keys plays no part. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, entry]) => `${name}:${canonical(entry)}`).join(',')}}`;
}

/** Findings about incidents and about the record of findings; no incidents themselves. */
const aboutIncidents = new Set(['incidents', 'follow-ups']);

/** These count what failed runs did; the failed run is the incident. */
const countsOfRuns = new Set(['consecutive-failures', 'failed-runs', 'error-lines']);

/** Cures of what one batch lacks or has wrong: together they are one damage. */
const ofDamage = new Set([
  'silver-missing',
  'gold-incomplete',
  'parquet-not-found',
  'corrupt-batch',
  'model-crash',
]);

/** Levels of the checks where the state says too little. */
const levels: Record<string, Severity> = {
  database: 'P1',
  lake: 'P1',
  'lake-writable': 'P1',
  gold: 'P2',
  silver: 'P2',
  'last-run': 'P2',
  tables: 'P2',
  grants: 'P2',
  'parquet-schema': 'P2',
  schema: 'P2',
  'foreign-keys': 'P2',
  orphans: 'P2',
  'served-batch': 'P2',
  'served-rows': 'P2',
  manifests: 'P2',
  checksums: 'P2',
  'lake-space': 'P2',
  disk: 'P2',
  wraparound: 'P2',
  'run-duration': 'P4',
  'stage-times': 'P4',
  freshness: 'P3',
  'reject-rate': 'P3',
};

/**
 * What the findings of one look at the system mean: those with one cause together, the worst of them
 * first. Unknown opens nothing: what could not be seen is not known to be broken.
 */
export function causesOfHealth(
  checks: readonly CheckResult[],
  from: 'critical' | 'warning',
  overrides: Overrides,
): Cause[] {
  const states = from === 'critical' ? ['critical'] : ['critical', 'warning'];
  const found = checks.filter(
    ({ state, name }) =>
      states.includes(state) && !aboutIncidents.has(name) && !countsOfRuns.has(name),
  );
  const groups = new Map<string, { cause: Cause; checks: CheckResult[] }>();
  for (const check of found) {
    const cause = causeOfFinding(originOf(check, found), checks, overrides);
    if (cause === undefined) continue;
    const key = cause.occurrence.cause;
    const group = groups.get(key) ?? { cause, checks: [] };
    if (rank(cause.occurrence.severity) < rank(group.cause.occurrence.severity)) {
      group.cause = cause;
    }
    group.checks.push(check);
    groups.set(key, group);
  }
  return [...groups.values()].map(withAll);
}

/** What a check finds wrong because something else is gone: a view falls with its table. */
const consequences: readonly [of: string, checks: readonly string[]][] = [
  [
    'schema',
    ['tables', 'views', 'foreign-keys', 'grants', 'served-rows', 'served-batch', 'orphan-rows'],
  ],
  ['tables', ['views', 'foreign-keys', 'served-rows', 'served-batch', 'orphan-rows']],
];

/** The finding of which another one is a consequence; the finding itself where there is none. */
function originOf(check: CheckResult, found: readonly CheckResult[]): CheckResult {
  for (const [of, names] of consequences) {
    const origin = found.find(({ name, state }) => name === of && state === 'critical');
    if (origin !== undefined && names.includes(check.name)) return origin;
  }
  return check;
}

/** One cause with the evidence of every check that found it. */
function withAll({ cause, checks }: { cause: Cause; checks: CheckResult[] }): Cause {
  if (checks.length === 1) return cause;
  const evidence = Object.fromEntries(
    checks.map(({ name, summary, evidence: seen }) => [name, { summary, ...seen }]),
  );
  const others = checks
    .filter(({ name }) => name !== cause.occurrence.check)
    .map(({ name, summary }) => `${name}: ${summary}`);
  const summary = `${cause.occurrence.summary} (also ${others.join('; ')})`;
  return { ...cause, occurrence: { ...cause.occurrence, summary, evidence } };
}

function causeOfFinding(
  check: CheckResult,
  all: readonly CheckResult[],
  overrides: Overrides,
): Cause | undefined {
  const { name, summary, evidence, runbook, next, state } = check;
  const code = typeof evidence.error === 'string' ? evidence.error : undefined;
  const batchId = batchOf(check);
  const runId = name === 'last-run' ? textOf(evidence.runId) : undefined;
  // Before the first run there is nothing that failed.
  if (name === 'last-run' && runId === undefined) return undefined;
  const failed = runId !== undefined && ['failed', 'partial'].includes(String(evidence.status));
  const damage = runbook !== null && ofDamage.has(runbook.id) && batchId !== undefined;
  const cause = failed
    ? causeOfFailedRun(runId, batchId, all)
    : code !== undefined
      ? `error/${code}`
      : damage
        ? `batch/${batchId}`
        : `check/${name}${targetOf(runbook)}`;
  const own: Occurrence & { cause: string } = {
    source: 'health',
    summary: `${check.title}: ${summary}`,
    severity: overrides[name] ?? levelOf(check),
    cause,
    check: name,
    ...(code === undefined ? {} : { code }),
    ...(batchId === undefined ? {} : { batchId }),
    ...(failed && runId !== undefined ? { runId } : {}),
    ...(runbook === null ? {} : { runbook: cureOf(runbook) }),
    ...(next === null ? {} : { next }),
    ...serviceOfCheck(name, state),
    evidence: { state, ...evidence },
  };
  return { occurrence: own, trace: damage || failed };
}

/** The code is not with the run itself, but with the count of failures. */
function causeOfFailedRun(
  runId: string | undefined,
  batchId: string | undefined,
  all: readonly CheckResult[],
): string {
  const counted = all.find(({ name }) => name === 'consecutive-failures')?.evidence.runs;
  const runs = Array.isArray(counted) ? (counted as { runId: string; errorCode: unknown }[]) : [];
  const code = textOf(runs.find((run) => run.runId === runId)?.errorCode) ?? 'UNKNOWN';
  const down = /_(UNREACHABLE|REJECTED)$/.test(code);
  return causeOfCode(code, down, batchId);
}

function batchOf({ evidence, runbook }: CheckResult): string | undefined {
  const ofCure = runbook?.input.batchId;
  return textOf(ofCure) ?? textOf(evidence.batchId);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const cureOf = ({ id, input }: CureOfIncident): CureOfIncident => ({ id, input });

const targetOf = (runbook: CureOfIncident | null): string =>
  runbook === null || Object.keys(runbook.input).length === 0 ? '' : `/${canonical(runbook.input)}`;

/** No row loaded is as bad as no service; a warning is a small anomaly. */
function levelOf({ name, state, evidence }: CheckResult): Severity {
  if (name === 'run-rows' && evidence.rows === 0) return 'P1';
  if (state === 'warning') return 'P4';
  // Gold that is there and lacks rows is degraded quality; gold that is missing is worse.
  if (name === 'gold' && typeof evidence.gold === 'number') return 'P3';
  return levels[name] ?? 'P3';
}

function serviceOfCheck(name: string, state: string): { service?: Service } {
  if (state !== 'critical') return {};
  if (name === 'database') return { service: 'database' };
  return name === 'lake' || name === 'last-run' ? { service: 'etl' } : {};
}

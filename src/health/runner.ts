import { errorMessage, isOperatorError, throwIfAborted } from '../system/errors.js';
import { shellWord } from '../system/shell.js';
import {
  type Check,
  type CheckState,
  type Cure,
  checkStates,
  type Finding,
  type Need,
  type Threshold,
  type Unit,
  unknown,
} from './check.js';
import type { HealthContext, HealthSources } from './context.js';
import { cureOfError } from './cures.js';

/** The outcome of one check, as every format shows it. */
export interface CheckResult {
  name: string;
  title: string;
  group: Check['group'];
  state: CheckState;
  summary: string;
  value: number | null;
  unit: Unit | null;
  threshold: Threshold | null;
  /** Wall time of the check. */
  seconds: number;
  runbook: (Cure & { command: string }) | null;
  next: string | null;
  evidence: Record<string, unknown>;
}

export interface HealthReport {
  /** Of all checks; `skipped` only when every one was. */
  state: CheckState;
  counts: Record<CheckState, number>;
  checks: CheckResult[];
  /** When it began; ISO 8601, UTC. */
  at: string;
  seconds: number;
}

export interface RunOptions {
  signal: AbortSignal;
  /** Needs that are not to be met this time, with the reason; their checks are skipped. */
  withheld?: Partial<Record<Need, string>>;
}

/** What of the sources is made once a run and shared by its checks. */
export interface SharedSources extends HealthSources {
  runs: HealthContext['runs'];
}

/**
 * Runs the checks at once, each with a time limit of its own. A check that throws or takes too long
 * is unknown (or critical, where that is what it found), and one that lacks what it needs is
 * unknown with the cause: nothing that was not seen is ever ok.
 *
 * @throws INTERRUPTED when the signal fires
 */
export async function runChecks(
  checks: readonly Check[],
  sources: SharedSources,
  { signal, withheld = {} }: RunOptions,
): Promise<HealthReport> {
  const at = sources.now().toISOString();
  const started = performance.now();
  throwIfAborted(signal);
  const over = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
  });
  const surroundings = { sources, stopped, signal, withheld };
  const results = await Promise.all(checks.map((check) => runCheck(check, surroundings)));
  over.abort();
  throwIfAborted(signal);
  const counts = Object.fromEntries(checkStates.map((state) => [state, 0])) as Record<
    CheckState,
    number
  >;
  for (const { state } of results) counts[state] += 1;
  return {
    state: overall(counts),
    counts,
    checks: results,
    at,
    seconds: (performance.now() - started) / 1000,
  };
}

/** A problem that is known of outweighs one that may be there. */
function overall(counts: Record<CheckState, number>): CheckState {
  const found = (['critical', 'warning', 'unknown', 'ok'] as const).find(
    (state) => counts[state] > 0,
  );
  return found ?? 'skipped';
}

interface Surroundings {
  sources: SharedSources;
  signal: AbortSignal;
  /** Resolves when the signal fires. */
  stopped: Promise<void>;
  withheld: Partial<Record<Need, string>>;
}

async function runCheck(check: Check, surroundings: Surroundings): Promise<CheckResult> {
  const { withheld } = surroundings;
  const reasons = check.needs.map((need) => withheld[need]).filter((why) => why !== undefined);
  if (reasons[0] !== undefined) {
    return present(check, { state: 'skipped', summary: reasons[0] }, 0);
  }
  const started = performance.now();
  const finding = await limited(check, surroundings);
  return present(check, finding, (performance.now() - started) / 1000);
}

/** The finding, within the time limit. Never rejects. */
async function limited(check: Check, { sources, signal, stopped }: Surroundings): Promise<Finding> {
  const limit = check.timeoutSeconds ?? sources.config.health.timeoutSeconds;
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit * 1000);
  });
  const unanswered = Promise.race([late, stopped]).then(() =>
    failure(check, new Error(`No answer within ${limit} s.`)),
  );
  const context = { ...sources, signal: AbortSignal.any([signal, over.signal]) };
  try {
    return await Promise.race([attempt(check, context), unanswered]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

async function attempt(check: Check, context: HealthContext): Promise<Finding> {
  try {
    return await check.run(context);
  } catch (error) {
    return failure(check, error);
  }
}

/** What it means that a check could not be made. */
function failure(check: Check, error: unknown): Finding {
  const summary = errorMessage(error);
  const hint = isOperatorError(error) ? error.hint : undefined;
  const code = isOperatorError(error) ? error.code : 'BUG';
  const runbook = check.failureRunbook ?? cureOfError(code);
  const rest = {
    evidence: { error: code },
    ...(runbook === undefined ? {} : { runbook }),
    ...(hint === undefined ? {} : { next: hint }),
  };
  return check.onFailure === 'critical'
    ? { state: 'critical', summary, ...rest }
    : unknown(summary, rest);
}

function present(check: Check, finding: Finding, seconds: number): CheckResult {
  const { runbook } = finding;
  return {
    name: check.name,
    title: check.title,
    group: check.group,
    state: finding.state,
    summary: finding.summary,
    value: finding.value ?? null,
    unit: finding.unit ?? null,
    threshold: finding.threshold ?? null,
    seconds: Math.round(seconds * 1e6) / 1e6,
    runbook: runbook === undefined ? null : { ...runbook, command: cureCommand(runbook) },
    next: finding.next ?? null,
    evidence: finding.evidence ?? {},
  };
}

/** `reviewops runbook run gold-incomplete --input batchId=20260131_235959`. */
function cureCommand({ id, input }: Cure): string {
  const inputs = Object.entries(input).flatMap(([name, value]) =>
    [value].flat().map((one) => `--input ${shellWord(`${name}=${one}`)}`),
  );
  return ['reviewops runbook run', id, ...inputs].join(' ');
}

import type { HealthContext } from './context.js';

/** In order of concern. Without permission or data a check is unknown, never ok. */
export const checkStates = ['ok', 'skipped', 'unknown', 'warning', 'critical'] as const;
export type CheckState = (typeof checkStates)[number];

/** What a check looks at; it cannot be made without that. */
export type Need = 'database' | 'lake' | 'local';

export type Evidence = Record<string, unknown>;

/** The runbook that cures a finding, with its parameters filled in. */
export interface Cure {
  id: string;
  input: Record<string, string | number | boolean | string[]>;
}

/** Where it warns and where it is critical, in the unit of the value; null is never. */
export interface Threshold {
  warning: number | null;
  critical: number | null;
}

export type Unit = 'seconds' | 'percent' | 'bytes' | 'count' | 'days' | 'hours' | 'millions';

export interface Finding {
  state: CheckState;
  /** One line for a person. Holds no secret. */
  summary: string;
  /** What was measured; null where there is no number. */
  value?: number | null;
  unit?: Unit;
  threshold?: Threshold | null;
  /** What it was judged by, for machines. */
  evidence?: Evidence;
  runbook?: Cure;
  /** What to do where no runbook does it, as a command or a sentence. */
  next?: string;
}

export interface Check {
  /** Lower case with hyphens; stable between releases. */
  name: string;
  title: string;
  group: 'database' | 'serving' | 'runs' | 'lake' | 'operations';
  needs: readonly Need[];
  /** In place of `health.timeoutSeconds`. */
  timeoutSeconds?: number;
  /** What it means that the check itself failed; by default nothing is known. */
  onFailure?: 'critical';
  /** The cure when the check itself failed. */
  failureRunbook?: Cure;
  run(context: HealthContext): Promise<Finding>;
}

type Rest = Omit<Finding, 'state' | 'summary'>;
const maker =
  (state: CheckState) =>
  (summary: string, rest: Rest = {}): Finding => ({ state, summary, ...rest });

export const ok = maker('ok');
export const warning = maker('warning');
export const critical = maker('critical');
export const unknown = maker('unknown');
export const skipped = maker('skipped');

/** The state of a value: at the limit, or only above it where `above` is set. */
export function stateOf(
  value: number,
  { warning, critical }: Threshold,
  above = false,
): CheckState {
  const beyond = (limit: number | null) =>
    limit !== null && (above ? value > limit : value >= limit);
  if (beyond(critical)) return 'critical';
  return beyond(warning) ? 'warning' : 'ok';
}

/** The worse of two, by concern. */
export const worse = (a: CheckState, b: CheckState): CheckState =>
  checkStates.indexOf(a) >= checkStates.indexOf(b) ? a : b;

export const worst = (states: readonly CheckState[]): CheckState => states.reduce(worse, 'ok');

/** A finding as it is, without the cure when there is nothing to cure. */
export function judged(state: CheckState, summary: string, rest: Rest): Finding {
  const { runbook, next, ...always } = rest;
  if (state === 'ok' || state === 'skipped') return { state, summary, ...always };
  return {
    state,
    summary,
    ...always,
    ...(runbook === undefined ? {} : { runbook }),
    ...(next === undefined ? {} : { next }),
  };
}

/** To a tenth, for summaries. */
export const tenth = (value: number): number => Math.round(value * 10) / 10;

/** To a tenth; 0 of nothing. */
export const percent = (part: number, whole: number): number =>
  whole === 0 ? 0 : tenth((part / whole) * 100);

/** `a, b and 3 more`. */
export function several(names: readonly string[], shown = 3): string {
  const rest = names.length - shown;
  if (rest <= 0) return names.join(', ');
  return `${names.slice(0, shown).join(', ')} and ${rest} more`;
}

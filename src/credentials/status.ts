import type { CheckState } from '../health/check.js';
import { stateOf, type Threshold, tenth } from '../health/check.js';
import type { CheckResult, HealthReport } from '../health/runner.js';
import type { CredentialKind, Moments } from './record.js';

/** A credential as it stands. Never a secret. */
export interface CredentialStatus {
  kind: CredentialKind;
  /** An access key's id, a role's name. */
  id: string;
  state: CheckState;
  summary: string;
  /** Null where nothing says when it was made. */
  ageDays: number | null;
  /** ISO 8601; null for never, and where nobody knows. */
  lastUsedAt: string | null;
  /** When it should be rotated; ISO 8601. */
  nextDue: string | null;
  /** Whether sinks hand it out. */
  inUse: boolean;
  threshold: Threshold;
}

/** A rotation that is under way. */
export interface RotationStatus {
  kind: CredentialKind;
  runId: string;
  from: string;
  to: string | null;
  moments: Moments;
  /** State of its run. */
  state: string;
  reason: string | null;
  /** When it can go on; ISO 8601. */
  due: string | null;
}

export interface StatusReport {
  credentials: CredentialStatus[];
  rotations: RotationStatus[];
}

const dayMilliseconds = 86_400_000;

/** Judges the age of a credential that is in use. */
export function judgeCredential(
  what: Pick<CredentialStatus, 'kind' | 'id' | 'lastUsedAt'> & {
    /** Undefined where nothing says it. */
    madeAt: Date | undefined;
    /** How that is known. */
    source: string;
  },
  threshold: Threshold,
  now: Date,
): CredentialStatus {
  const { kind, id, lastUsedAt, madeAt, source } = what;
  const shared = { kind, id, lastUsedAt, inUse: true, threshold };
  if (madeAt === undefined) {
    return { ...shared, state: 'unknown', summary: source, ageDays: null, nextDue: null };
  }
  const days = Math.max(0, (now.getTime() - madeAt.getTime()) / dayMilliseconds);
  const limit = threshold.warning ?? threshold.critical;
  const nextDue = limit === null ? null : new Date(madeAt.getTime() + limit * dayMilliseconds);
  return {
    ...shared,
    state: stateOf(days, threshold),
    summary: `${Math.floor(days)} days old (${source})`,
    ageDays: tenth(days),
    nextDue: nextDue?.toISOString() ?? null,
  };
}

const titles: Record<CredentialKind, string> = {
  aws: 'AWS access key',
  database: 'Login of the database',
};

/** The same as a report of `health`, for its formats. */
export function asHealthReport(
  { credentials, rotations }: StatusReport,
  at: Date,
  seconds: number,
): HealthReport {
  const checks = credentials.map((one): CheckResult => {
    const bad = one.state !== 'ok' && one.state !== 'skipped';
    const id = one.kind === 'aws' ? 'rotate-aws' : 'rotate-database';
    const under = rotations.find(({ kind }) => kind === one.kind);
    const verb = under === undefined ? '' : ' --continue';
    return {
      name: `credential-${one.kind}-${one.id}`,
      title: `${titles[one.kind]} ${one.id}`,
      group: 'operations',
      state: one.state,
      summary: one.summary,
      value: one.ageDays,
      unit: one.ageDays === null ? null : 'days',
      threshold: one.threshold,
      seconds: 0,
      runbook: bad
        ? { id, input: {}, command: `reviewops credentials rotate ${one.kind}${verb}` }
        : null,
      next: null,
      evidence: { lastUsedAt: one.lastUsedAt, nextDue: one.nextDue, inUse: one.inUse },
    };
  });
  const counts: HealthReport['counts'] = { ok: 0, skipped: 0, unknown: 0, warning: 0, critical: 0 };
  for (const { state } of checks) counts[state] += 1;
  const state =
    (['critical', 'warning', 'unknown', 'ok'] as const).find((one) => counts[one] > 0) ?? 'skipped';
  return { state, counts, checks, at: at.toISOString(), seconds };
}

import type { CheckState } from '../../health/check.js';
import type { BatchState } from '../../lake/batch-state.js';
import type { Json, Risk } from '../../runbooks/engine/definition.js';
import type { RunState } from '../../runbooks/engine/events.js';
import { formatBytes, formatCount, formatSeconds } from '../../system/duration.js';
import type { Progress, StepView } from '../state/run.js';
import type { Tone } from '../theme.js';
import { type Span, span } from './line.js';

/** A state as a sign and a word: neither colour nor shape alone has to be told apart. */
export interface Sign {
  sign: string;
  word: string;
  tone: Tone | undefined;
}

export function stepSign({ state, result, retrying, asks }: StepView): Sign {
  if (asks === true) return { sign: '●', word: 'asks you', tone: 'caution' };
  if (state === 'running') {
    return retrying === undefined
      ? { sign: '●', word: 'running', tone: 'accent' }
      : { sign: '●', word: 'again', tone: 'caution' };
  }
  if (state === 'done') {
    const finding = result?.finding?.state;
    return finding === undefined ? { sign: '✓', word: 'done', tone: 'good' } : checkSign(finding);
  }
  const signs: Record<Exclude<typeof state, 'running' | 'done'>, Sign> = {
    pending: { sign: '○', word: 'to do', tone: 'dim' },
    skipped: { sign: '–', word: 'skipped', tone: 'dim' },
    failed: { sign: '✗', word: 'failed', tone: 'bad' },
    refused: { sign: '✗', word: 'refused', tone: 'bad' },
    unknown: { sign: '?', word: 'unknown', tone: 'caution' },
  };
  return signs[state];
}

const checkSigns: Record<CheckState, Sign> = {
  ok: { sign: '✓', word: 'ok', tone: 'good' },
  skipped: { sign: '–', word: 'skipped', tone: 'dim' },
  unknown: { sign: '?', word: 'unknown', tone: 'caution' },
  warning: { sign: '!', word: 'warning', tone: 'caution' },
  critical: { sign: '✗', word: 'critical', tone: 'bad' },
};

export const checkSign = (state: CheckState): Sign => checkSigns[state];

const runSigns: Record<RunState, Sign> = {
  running: { sign: '●', word: 'running', tone: 'accent' },
  waiting: { sign: '●', word: 'waiting', tone: 'caution' },
  succeeded: { sign: '✓', word: 'succeeded', tone: 'good' },
  failed: { sign: '✗', word: 'failed', tone: 'bad' },
  refused: { sign: '✗', word: 'refused', tone: 'bad' },
  aborted: { sign: '–', word: 'aborted', tone: 'caution' },
  interrupted: { sign: '?', word: 'interrupted', tone: 'caution' },
};

export const runSign = (state: RunState): Sign => runSigns[state];

const batchSigns: Record<BatchState, Sign> = {
  complete: { sign: '✓', word: 'complete', tone: 'good' },
  partial: { sign: '!', word: 'partial', tone: 'caution' },
  corrupt: { sign: '✗', word: 'corrupt', tone: 'bad' },
  running: { sign: '●', word: 'running', tone: 'accent' },
};

export const batchSign = (state: BatchState): Sign => batchSigns[state];

const riskTones: Record<Risk, Tone | undefined> = {
  read: 'dim',
  change: 'caution',
  destroy: 'bad',
};

export const riskSpan = (risk: Risk): Span => span(risk, riskTones[risk]);

export const signSpan = ({ sign, word, tone }: Sign): Span => span(`${sign} ${word}`, tone);

/** `1,200 of 4,000 rows (30 %), 400 rows/s, 7 s left`; times in milliseconds. */
export function progressText(
  { done, total, unit }: Progress,
  startedAt: number,
  now: number,
): string {
  const number = (count: number) =>
    unit === 'bytes' ? formatBytes(count) : formatCount(Math.round(count));
  const amount = (count: number) => (unit === 'bytes' ? number(count) : `${number(count)} ${unit}`);
  const seconds = Math.max(0, now - startedAt) / 1000;
  const share = total === null || total === 0 ? undefined : Math.min(1, done / total);
  const parts = [
    share === undefined
      ? amount(done)
      : `${number(done)} of ${amount(total ?? 0)} (${Math.floor(share * 100)} %)`,
  ];
  if (seconds >= 0.5 && done > 0) {
    const rate = done / seconds;
    parts.push(`${amount(rate)}/s`);
    if (total !== null && total > done) parts.push(`${formatSeconds((total - done) / rate)} left`);
  }
  return parts.join(', ');
}

/** `3m 12s ago`. */
export const ago = (iso: string, now: number): string =>
  `${formatSeconds(Math.max(1, Math.round((now - Date.parse(iso)) / 1000)))} ago`;

/** `3m 12s`, or `3m 12s late`. */
export function timeLeft(iso: string, now: number): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  return seconds >= 0 ? formatSeconds(seconds) : `${formatSeconds(-seconds)} late`;
}

/** `2026-01-31 23:59:59`, UTC. */
export const clock = (at: number | string): string =>
  new Date(at).toISOString().slice(0, 19).replace('T', ' ');

/** A value of a plan or of evidence, on one line. */
export const jsonText = (value: Json): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

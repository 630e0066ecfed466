import { setTimeout as wait } from 'node:timers/promises';
import type { Check } from '../health/check.js';
import type { HealthReport } from '../health/runner.js';
import { throwIfAborted } from '../system/errors.js';
import type { CommandContext } from './context.js';
import { healthLooker } from './health-looker.js';
import { resultText, writeResult } from './output.js';

export interface Looks {
  checks: readonly Check[];
  noWake: boolean;
  /** Whether what is found opens incidents. */
  incidents: boolean;
}

/** Looks once. */
export async function lookOnce(context: CommandContext, looks: Looks): Promise<HealthReport> {
  const look = await healthLooker(context, looks.checks, looks.noWake);
  const report = await look(0);
  await open(context, report, looks);
  return report;
}

/** Looks every so many seconds and writes each report, until the operator stops it. */
export async function watch(
  context: CommandContext,
  looks: Looks & { everySeconds: number; text: (report: HealthReport) => string },
): Promise<never> {
  const look = await healthLooker(context, looks.checks, looks.noWake);
  for (let round = 0; ; round += 1) {
    const report = await look(round);
    await writeResult(resultText(looks.text(report), context.terminal.color), 0);
    await open(context, report, looks);
    await wait(looks.everySeconds * 1000, undefined, { signal: context.signal }).catch(() =>
      throwIfAborted(context.signal),
    );
  }
}

async function open(
  context: CommandContext,
  { checks }: HealthReport,
  { incidents, noWake }: Looks,
): Promise<void> {
  if (!incidents) return;
  const { reportHealth } = await import('./incident-signals.js');
  await reportHealth(context, checks, !noWake);
}

/** `--watch 60` as `--watch --every=60`: the parser knows no flag whose value may be left out. */
export const withInterval = (argv: readonly string[]): string[] =>
  argv.map((word, index) =>
    argv[index - 1] === '--watch' && /^\d+$/.test(word) ? `--every=${word}` : word,
  );

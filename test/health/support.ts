import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { DatabaseClient } from '../../src/database/client.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { selectChecks } from '../../src/health/catalogue.js';
import { examine, type HealthOptions } from '../../src/health/health.js';
import type { CheckResult, HealthReport } from '../../src/health/runner.js';
import { openLocalLake } from '../../src/lake/local.js';
import { runPipeline } from '../../src/pipeline/run.js';
import { testPseudonymKey } from '../support/stage.js';
import { makeWorld, type World } from '../support/world.js';

export interface Examination {
  report: HealthReport;
  check(name: string): CheckResult;
}

/** Looks with some of the checks, as the command does. */
export async function look(
  names: readonly string[],
  options: Partial<HealthOptions> & { target?: DatabaseTarget; settings?: object; root: string },
): Promise<Examination> {
  const { target, settings, root, ...rest } = options;
  const config: Config = configSchema.parse(settings ?? {});
  const report = await examine({
    config,
    home: root,
    checks: selectChecks(names),
    database: async () => {
      if (target === undefined) throw new Error('This test has no database.');
      return target;
    },
    databaseUrl: async () => target?.url ?? 'postgresql://nobody@127.0.0.1/none',
    lake: async () => openLocalLake(join(root, 'data')),
    neonKey: async () => undefined,
    journals: async () => ({ checked: 0, broken: [] }),
    pseudonymKey: async () => testPseudonymKey,
    scratch: () => mkdtemp(join(root, 'scratch-')),
    now: () => new Date(),
    noWake: undefined,
    signal: new AbortController().signal,
    ...rest,
  });
  return {
    report,
    check: (name) => {
      const found = report.checks.find((check) => check.name === name);
      if (found === undefined) throw new Error(`No result of ${name}.`);
      return found;
    },
  };
}

/** A world whose pipeline has run once. */
export async function makeHealthyWorld(): Promise<World & { batchId: string }> {
  const world = await makeWorld({ reviews: 400 });
  // No row breaks a rule: the reject rate of the world’s reviews is an alarm by itself.
  await world.client.execute(
    "UPDATE amazon.review SET rating = 3, body = 'A text of some length.'",
  );
  const { batchId } = await runPipeline(world.environment, {
    command: 'run',
    from: 'extract',
    to: 'load',
  });
  return { ...world, batchId };
}

/** A copy of a world’s files to break; removed by `remove`. */
export async function copyFiles(root: string): Promise<{ root: string; remove(): Promise<void> }> {
  const copy = await mkdtemp(join(tmpdir(), 'reviewops-health-'));
  await cp(join(root, 'data'), join(copy, 'data'), { recursive: true });
  return { root: copy, remove: () => rm(copy, { recursive: true, force: true }) };
}

/** Hands the counters of this session to the server’s statistics now, not in a second. */
export async function flushStatistics(client: DatabaseClient): Promise<void> {
  await client.query('SELECT pg_stat_force_next_flush()');
  await client.query('SELECT 1');
}

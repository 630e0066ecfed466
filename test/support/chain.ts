import { expect } from 'vitest';
import { checkJournals } from '../../src/cli/journals.js';
import { parseInputs } from '../../src/cli/runbook-inputs.js';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import type { CheckResult, HealthReport } from '../../src/health/runner.js';
import type { Lake } from '../../src/lake/lake.js';
import type { Ask } from '../../src/runbooks/engine/answers.js';
import { type RunReport, startRun } from '../../src/runbooks/engine/runner.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { look } from '../health/support.js';
import { expectCured, expectOneTicket, type Ticket } from './chain-tickets.js';
import type { IncidentWorld } from './incidents.js';
import type { BrokenWorld } from './repairs.js';

/** What health and the runbooks find: both look at the same system. */
export interface System {
  world: BrokenWorld;
  target: DatabaseTarget;
  lake: Lake;
  settings: object;
  /** State directory of an embedded server of its own; the tests' shared one otherwise. */
  home?: string;
  /** Only these checks; all of them where there are none. */
  checks?: readonly string[];
  /** Where its tickets are opened: a database that nobody breaks. */
  tickets: IncidentWorld;
}

/** One way in which the system breaks, and what is expected to make it good. */
export interface Way {
  /** The problem, as the documents call it, and how it came about. */
  name: string;
  /** Really breaks it. */
  break(system: System): Promise<unknown>;
  /** The check that finds it, the state it says, and the runbook it names. */
  check: string;
  state: 'warning' | 'critical';
  runbook: string;
  ticket: Ticket;
  /** Where the evidence leads from there, in order. */
  leadsTo?: readonly string[];
  /** What somebody does whom a runbook asks to; it asks nobody where this is absent. */
  person?: (system: System, instruction: string) => Promise<unknown>;
  /** Usual work afterwards, such as the next run of the pipeline. */
  after?: (system: System) => Promise<unknown>;
}

export const examine = async (system: System): Promise<HealthReport> => {
  const { world, target, lake, settings, home, checks = [] } = system;
  const { report } = await look(checks, {
    root: home ?? world.root,
    settings,
    target,
    ...(home === undefined ? {} : { databaseUrl: async () => undefined }),
    lake: async () => lake,
    journals: () => checkJournals(home ?? world.root),
  });
  return report;
};

/** What is not as it should be, in words. */
export const complaints = ({ checks }: HealthReport): string[] =>
  checks
    .filter(({ state }) => state !== 'ok' && state !== 'skipped')
    .map(({ name, state, summary }) => `${name} ${state}: ${summary}`);

/**
 * Breaks, looks, does what the report says, and looks again; one ticket follows all of it. Gives
 * what was seen while it was broken.
 */
export async function breakAndCure(way: Way, system: System): Promise<HealthReport> {
  expect(complaints(await examine(system))).toEqual([]);
  await way.break(system);
  const broken = await examine(system);
  const found = broken.checks.find(({ name }) => name === way.check);
  expect(found, complaints(broken).join('\n')).toMatchObject({
    state: way.state,
    runbook: { id: way.runbook },
  });
  const ticket = await expectOneTicket(system.tickets, way, broken);
  const ran = await follow(found as CheckResult, way, system);
  expect(ran).toEqual([way.runbook, ...(way.leadsTo ?? [])]);
  await way.after?.(system);
  const cured = await examine(system);
  expect(complaints(cured)).toEqual([]);
  await expectCured(system.tickets, way, ticket, { broken, cured });
  return broken;
}

/** Runs the command that a finding names, then every runbook that the evidence leads to. */
async function follow({ runbook }: CheckResult, way: Way, system: System): Promise<string[]> {
  const words = (runbook?.command ?? '').split(' ');
  expect(words.slice(0, 3)).toEqual(['reviewops', 'runbook', 'run']);
  let id = words[3] ?? '';
  const pairs = words.slice(4).filter((word) => word !== '--input');
  let input: object = parseInputs(await loadRunbook(id), pairs);
  expect(input).toMatchObject(runbook?.input ?? {});
  const ran: string[] = [];
  for (;;) {
    ran.push(id);
    const report = await run(id, input, way, system);
    expect(report, report.reason ?? '').toMatchObject({ state: 'succeeded' });
    const { branch } = report;
    if (branch?.to !== 'runbook' || ran.length === 4) return ran;
    id = branch.runbook;
    input = branch.input;
  }
}

async function run(id: string, input: object, way: Way, system: System): Promise<RunReport> {
  const config: Config = configSchema.parse(system.settings);
  const ask: Ask = async (question) => {
    if (question.type === 'approve') return { type: 'yes', by: 'ada', how: 'typed' };
    if (way.person === undefined) throw new Error(`${id} asks: ${question.instruction}`);
    await way.person(system, question.instruction);
    return { type: 'done', by: 'ada', said: 'done' };
  };
  const events = startRun(await loadRunbook(id), input, {
    services: {
      ...system.world.services,
      config,
      database: async () => system.target,
      home: system.home ?? system.world.root,
      databaseUrl: async () => (system.home === undefined ? system.target.url : undefined),
      lake: async () => system.lake,
    },
    ask,
    signal: new AbortController().signal,
  });
  for (;;) {
    const next = await events.next();
    if (next.done === true) return next.value;
  }
}

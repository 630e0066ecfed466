import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseClient } from '../../src/database/client.js';
import type { Lake } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { Ask, Question } from '../../src/runbooks/engine/answers.js';
import type { Runbook, RunbookServices } from '../../src/runbooks/engine/definition.js';
import type { JournalEntry, RunEvent } from '../../src/runbooks/engine/events.js';
import { readJournal } from '../../src/runbooks/engine/journal.js';
import { type RunReport, resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { testServices } from './services.js';

export interface RunbookWorld {
  root: string;
  home: string;
  lake: Lake;
  /** Clock of the services; tests may set it. */
  clock: { now: () => Date };
  services: RunbookServices;
  /** Throws in a world without a database. */
  database: TestDatabase;
  client(): Promise<DatabaseClient>;
  run(runbook: Runbook, input?: object, options?: RunChoices): Promise<RunOutcome>;
  resume(runbook: Runbook, runId: string, options?: RunChoices): Promise<RunOutcome>;
  journal(runId: string): Promise<JournalEntry[]>;
  dispose(): Promise<void>;
}

export interface RunChoices {
  /** Default: Ada says yes to everything. */
  ask?: Ask;
  signal?: AbortSignal;
  dryRun?: boolean;
  readOnly?: boolean;
  incident?: string;
  /** For resume: take back instead. */
  undo?: boolean;
  onEvent?: (event: RunEvent) => void;
}

export interface RunOutcome {
  report: RunReport;
  events: RunEvent[];
}

export interface WorldOptions {
  /** Sections of the configuration. */
  settings?: object;
  /** False for a world in which no database can be reached. */
  database?: boolean;
}

/** A state directory, a local lake, and a database of its own with the schema and no rows. */
export async function runbookWorld(options: WorldOptions = {}): Promise<RunbookWorld> {
  const root = await mkdtemp(join(tmpdir(), 'reviewops-runbook-'));
  const home = join(root, 'home');
  const lake = openLocalLake(join(root, 'data'));
  const database = options.database === false ? undefined : await createTestDatabase();
  const clock = { now: () => new Date() };
  const there = (): TestDatabase => {
    if (database === undefined) throw new Error('This world has no database.');
    return database;
  };
  const services = testServices({
    root,
    home,
    lake,
    database: database?.target,
    settings: options.settings,
    now: () => clock.now(),
  });
  return {
    root,
    home,
    lake,
    clock,
    services,
    get database() {
      return there();
    },
    client: () => there().client(),
    run: (runbook, input = {}, choices = {}) =>
      collect(startRun(runbook, input, runOptions(services, choices)), choices),
    resume: (runbook, runId, choices = {}) =>
      collect(resumeRun(runbook, runId, runOptions(services, choices)), choices),
    journal: async (runId) => (await readJournal(home, runId)).entries,
    dispose: async () => {
      await database?.drop();
      // What a killed run had under way may still write a file while this removes them.
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}

const runOptions = (services: RunbookServices, choices: RunChoices) => ({
  services,
  ask: choices.ask ?? yes('ada'),
  signal: choices.signal ?? new AbortController().signal,
  ...(choices.dryRun === undefined ? {} : { dryRun: choices.dryRun }),
  ...(choices.readOnly === undefined ? {} : { readOnly: choices.readOnly }),
  ...(choices.incident === undefined ? {} : { incident: choices.incident }),
  ...(choices.undo === undefined ? {} : { undo: choices.undo }),
});

/** Reads a run to its end. */
export async function collect(
  run: AsyncGenerator<RunEvent, RunReport>,
  { onEvent }: Pick<RunChoices, 'onEvent'> = {},
): Promise<RunOutcome> {
  const events: RunEvent[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done === true) return { report: next.value, events };
    events.push(next.value);
    onEvent?.(next.value);
  }
}

/** Approves, and says that manual steps are done. */
export const yes =
  (by: string): Ask =>
  async ({ type }) =>
    type === 'manual' ? { type: 'done', by, said: 'done' } : { type: 'yes', by, how: 'test' };

export const no =
  (by: string): Ask =>
  async () => ({ type: 'no', by });

/** Nobody is there. */
export const nobody: Ask = async () => ({ type: 'later' });

/** Keeps the questions that were asked. */
export function listening(answer: Ask): { ask: Ask; questions: Question[] } {
  const questions: Question[] = [];
  return {
    questions,
    ask: async (question) => {
      questions.push(question);
      return answer(question);
    },
  };
}

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.js';
import { openLocalLake } from '../../src/lake/local.js';
import { type RunOptions, resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { answering } from './answers.js';
import { testTool } from './stage.js';

/**
 * Runs or resumes a runbook on the world of a test, and prints its report as JSON unless it dies at
 * an event of the run, as in a power cut: `node --import tsx repair-process.ts ORDER`, a JSON
 * document. (A run resumes only into the same text of its functions, so into the same compiler.)
 */
export interface RepairOrder {
  runbook: string;
  input: object;
  root: string;
  databaseUrl: string;
  settings: object;
  answer: 'yes' | 'no';
  /** The run to resume, in place of a new one. */
  resume?: string;
  /** The event to die at: its type, the step it belongs to, and which of those that match. */
  dieAt?: { type: string; step?: string; nth: number };
}

const order = JSON.parse(process.argv[2] ?? '{}') as RepairOrder;
const { root, databaseUrl, dieAt } = order;
const lake = openLocalLake(join(root, 'data'));
const runbook = await loadRunbook(order.runbook);
const options: RunOptions = {
  services: {
    config: configSchema.parse(order.settings),
    home: root,
    database: async () => ({
      url: databaseUrl,
      kind: 'embedded',
      endpoint: 'loopback',
      description: 'the database of the test',
    }),
    databaseUrl: async () => databaseUrl,
    lake: async () => lake,
    scratch: () => mkdtemp(join(root, 'run-')),
    pseudonymKey: async () => Buffer.from('a key of the tests, long enough'),
    surroundings: async () => ({ lookup: () => undefined, profile: 'test', directory: root }),
    tool: testTool,
    now: () => new Date(),
  },
  ask: answering(order.answer),
  signal: new AbortController().signal,
};
const run =
  order.resume === undefined
    ? startRun(runbook, order.input, options)
    : resumeRun(runbook, order.resume, options);
let seen = 0;
for (;;) {
  const next = await run.next();
  if (next.done === true) {
    process.stdout.write(JSON.stringify(next.value));
    break;
  }
  const event = next.value;
  const step = 'step' in event ? event.step : 'result' in event ? event.result.id : undefined;
  if (event.type !== dieAt?.type || (dieAt.step !== undefined && step !== dieAt.step)) continue;
  seen += 1;
  if (seen === dieAt.nth) process.kill(process.pid, 'SIGKILL');
}

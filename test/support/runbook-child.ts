import type { DatabaseTarget } from '../../src/database/target.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { Runbook } from '../../src/runbooks/engine/definition.js';
import { Journal } from '../../src/runbooks/engine/journal.js';
import { resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import type { CrashPoint } from './crash-matrix.js';
import { testServices } from './services.js';

/**
 * Runs a runbook in a process of its own, which kills itself at a point of the journal:
 * `node --import tsx runbook-child.ts REQUEST`. Prints the report as JSON.
 */
export interface ChildRequest {
  /** URL of a module, and the name of the runbook it exports. */
  module: string;
  name: string;
  root: string;
  home: string;
  lake: string;
  database?: DatabaseTarget;
  input: object;
  /** Resumes this run instead of starting one. */
  runId?: string;
  kill?: CrashPoint;
}

const request = JSON.parse(process.argv[2] ?? '') as ChildRequest;

const append = Journal.prototype.append;
let seq = -1;
Journal.prototype.append = async function (event) {
  seq += 1;
  const here = seq === request.kill?.entry;
  if (here && request.kill?.when === 'before') process.kill(process.pid, 'SIGKILL');
  const entry = await append.call(this, event);
  if (here) process.kill(process.pid, 'SIGKILL');
  return entry;
};

const exports = (await import(request.module)) as Record<string, Runbook>;
const runbook = exports[request.name];
if (runbook === undefined) throw new Error(`${request.module} exports no ${request.name}.`);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const options = {
  services: testServices({
    ...request,
    lake: openLocalLake(request.lake),
    database: request.database,
  }),
  ask: async () => ({ type: 'yes' as const, by: 'ada', how: 'test' }),
  signal: stop.signal,
};
const run =
  request.runId === undefined
    ? startRun(runbook, request.input, options)
    : resumeRun(runbook, request.runId, options);
for (;;) {
  const next = await run.next();
  if (next.done === true) {
    process.stdout.write(`${JSON.stringify(next.value)}\n`);
    break;
  }
  process.stdout.write(`${JSON.stringify(next.value)}\n`);
}

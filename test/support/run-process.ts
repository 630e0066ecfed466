import { join } from 'node:path';
import type { DatabaseTarget } from '../../src/database/target.js';
import { openLocalLake } from '../../src/lake/local.js';
import { PrivacyJournal } from '../../src/privacy/journal.js';
import { Journal } from '../../src/runbooks/engine/journal.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import { type RunOptions, resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import { loadRunbook } from '../../src/runbooks/index.js';
import { answering } from './answers.js';
import { openS3Lake, type S3Address } from './s3-lake.js';
import { testServices } from './services.js';

/**
 * Runs or resumes a runbook on the world of a test in a process of its own, which kills itself
 * (SIGKILL) at a point of the run, as in a power cut: `node --import tsx run-process.ts ORDER`, a
 * JSON document. Prints its report, or `died` just before it dies. (A run resumes only into the same
 * text of its functions, so into the same compiler.)
 */
export interface RunOrder {
  runbook: string;
  input: object;
  root: string;
  home: string;
  database: DatabaseTarget;
  /** Undefined for the local lake below `root`. */
  s3?: S3Address | undefined;
  settings?: object | undefined;
  answer: 'yes' | 'no';
  /** The run to resume, in place of a new one. */
  resume?: string | undefined;
  dieAt?: KillPoint | EventPoint;
}

/** An event of the run: its type, the step it belongs to, and which of those that match. */
export interface EventPoint {
  type: string;
  step?: string;
  nth: number;
}

/** The first entry of this type in one of the two journals. */
export interface KillPoint {
  journal: 'run' | 'privacy';
  type: string;
  when: 'before' | 'after';
  /** Of the privacy journal: the first about an object whose key holds this. */
  key?: string;
}

const order = JSON.parse(process.argv[2] ?? '{}') as RunOrder;
const { dieAt } = order;
const entryPoint = dieAt !== undefined && 'journal' in dieAt ? dieAt : undefined;
const eventPoint = dieAt !== undefined && 'nth' in dieAt ? dieAt : undefined;

const die = async (): Promise<never> => {
  await new Promise<void>((done) => process.stdout.write('died\n', () => done()));
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
};

const stepOf = (event: Parameters<Journal['append']>[0]): string | null | undefined =>
  'step' in event ? event.step : 'result' in event ? event.result.id : undefined;

async function dying<T>(here: boolean, append: () => Promise<T>): Promise<T> {
  if (here && entryPoint?.when === 'before') await die();
  const entry = await append();
  if (here) await die();
  return entry;
}

const appendToRun = Journal.prototype.append;
Journal.prototype.append = function (event) {
  const name = `${event.type} ${stepOf(event) ?? ''}`.trim();
  const here = entryPoint?.journal === 'run' && name === entryPoint.type;
  return dying(here, () => appendToRun.call(this, event));
};
const appendToPrivacy = PrivacyJournal.prototype.append;
PrivacyJournal.prototype.append = function (...events) {
  const here =
    entryPoint?.journal === 'privacy' &&
    events.some(
      ({ type, key }) => type === entryPoint.type && String(key).includes(entryPoint.key ?? ''),
    );
  return dying(here, () => appendToPrivacy.apply(this, events));
};

const lake =
  order.s3 === undefined ? openLocalLake(join(order.root, 'data')) : await openS3Lake(order.s3);
const signal = new AbortController().signal;
const services = testServices({ ...order, lake });
const options: RunOptions = { services, ask: answering(order.answer), signal };
await endInterrupted(order.home, { now: services.now, signal });
const runbook = await loadRunbook(order.runbook);
const run =
  order.resume === undefined
    ? startRun(runbook, order.input, options)
    : resumeRun(runbook, order.resume, options);
let seen = 0;
for (;;) {
  const next = await run.next();
  if (next.done === true) {
    process.stdout.write(`${JSON.stringify(next.value)}\n`);
    break;
  }
  const { value: event } = next;
  if (event.type !== eventPoint?.type) continue;
  if (eventPoint.step !== undefined && stepOf(event) !== eventPoint.step) continue;
  seen += 1;
  if (seen === eventPoint.nth) await die();
}

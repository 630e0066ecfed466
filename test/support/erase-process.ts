import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.js';
import { openLocalLake } from '../../src/lake/local.js';
import { PrivacyJournal } from '../../src/privacy/journal.js';
import { Journal } from '../../src/runbooks/engine/journal.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import { type RunOptions, resumeRun, startRun } from '../../src/runbooks/engine/runner.js';
import erasePerson from '../../src/runbooks/erase-person.js';
import { answering } from './answers.js';
import { openS3Lake, type S3Address } from './s3-lake.js';
import { testTool } from './stage.js';

/**
 * Erases in a process of its own, which kills itself (SIGKILL) at an entry of a journal, right before
 * it is written or right after: `node --import tsx erase-process.ts ORDER`, a JSON document. Prints
 * its report, or `died` just before it dies.
 */
export interface EraseOrder {
  root: string;
  databaseUrl: string;
  /** Undefined for the local lake below `root`. */
  s3?: S3Address;
  requestIds: string[];
  /** The run to resume, in place of a new one. */
  resume?: string;
  dieAt?: KillPoint;
}

/** The first entry of this type in one of the two journals. */
export interface KillPoint {
  journal: 'run' | 'privacy';
  type: string;
  when: 'before' | 'after';
  /** Of the privacy journal: the first about an object whose key holds this. */
  key?: string;
}

const order = JSON.parse(process.argv[2] ?? '{}') as EraseOrder;
const { root, databaseUrl, dieAt } = order;

const die = async (): Promise<never> => {
  await new Promise<void>((done) => process.stdout.write('died\n', () => done()));
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
};

const appendToRun = Journal.prototype.append;
Journal.prototype.append = async function (event) {
  const step = 'step' in event ? event.step : 'result' in event ? event.result.id : '';
  const here = dieAt?.journal === 'run' && `${event.type} ${step}`.trim() === dieAt.type;
  if (here && dieAt.when === 'before') await die();
  const entry = await appendToRun.call(this, event);
  if (here) await die();
  return entry;
};
const appendToPrivacy = PrivacyJournal.prototype.append;
PrivacyJournal.prototype.append = async function (...events) {
  const here =
    dieAt?.journal === 'privacy' &&
    events.some(({ type, key }) => type === dieAt.type && String(key).includes(dieAt.key ?? ''));
  if (here && dieAt.when === 'before') await die();
  const head = await appendToPrivacy.apply(this, events);
  if (here) await die();
  return head;
};

const lake =
  order.s3 === undefined ? openLocalLake(join(root, 'data')) : await openS3Lake(order.s3);
const home = join(root, 'home');
const signal = new AbortController().signal;
const now = () => new Date();
const options: RunOptions = {
  services: {
    config: configSchema.parse({}),
    home,
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
    now,
  },
  ask: answering('yes'),
  signal,
};
await endInterrupted(home, { now, signal });
const run =
  order.resume === undefined
    ? startRun(erasePerson, { requestIds: order.requestIds }, options)
    : resumeRun(erasePerson, order.resume, options);
for (;;) {
  const next = await run.next();
  if (next.done !== true) continue;
  process.stdout.write(`${JSON.stringify(next.value)}\n`);
  break;
}

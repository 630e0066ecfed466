import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Lake } from '../../src/lake/lake.js';
import { acquireLease } from '../../src/lake/lease.js';
import { openLocalLake } from '../../src/lake/local.js';
import { publishLayer } from '../../src/lake/publish.js';
import { isOperatorError } from '../../src/system/errors.js';
import { thisProcess } from '../../src/system/owner.js';
import { draftOf } from './drafts.js';
import { openS3Lake } from './s3-lake.js';

/**
 * What tests do to a lake from another process:
 * `node --import tsx task-runner.ts TASK ADDRESS ARGUMENTS`, the latter two as JSON lists.
 */

async function openLake([kind, place = '']: readonly string[]): Promise<Lake> {
  if (kind === 'local') return openLocalLake(place);
  if (kind === 's3') return openS3Lake(JSON.parse(place));
  throw new Error(`There is no lake of the kind ${kind}.`);
}

const isRefusal = (error: unknown): boolean =>
  isOperatorError(error) && ['OBJECT_EXISTS', 'OBJECT_CHANGED'].includes(error.code);

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const tasks: Record<string, (lake: Lake, args: string[]) => Promise<void>> = {
  /** Tries to create PREFIX0, PREFIX1 … COUNT; prints those it created. */
  async create(lake, [prefix = '', count = '0', body = '']) {
    for (let index = 0; index < Number(count); index += 1) {
      const key = `${prefix}${index}`;
      try {
        await lake.put(key, body, { ifAbsent: true });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        continue;
      }
      print((await lake.read(key)).toString() === body ? key : `stolen: ${key}`);
    }
  },

  /** Adds 1 to the number in KEY, COUNT times. */
  async count(lake, [key = '', count = '0']) {
    for (let done = 0; done < Number(count); ) {
      const seen = await lake.head(key);
      if (seen === undefined) throw new Error(`${key} is gone`);
      const value = Number((await lake.read(key)).toString());
      try {
        await lake.put(key, String(value + 1), { ifMatch: seen.etag });
        done += 1;
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    }
  },

  /** Replaces KEY by 300,000 times LETTER, COUNT times. */
  async replace(lake, [key = '', count = '0', letter = '']) {
    for (let index = 0; index < Number(count); index += 1) {
      await lake.put(key, letter.repeat(300_000));
    }
  },

  /** Publishes silver of BATCH with files that hold LETTER, made under SCRATCH, for ever. */
  async publish(lake, [batchId = '', scratch = '', letter = '']) {
    print('ready');
    for (;;) {
      const draft = draftOf({ batchId, layer: 'silver', scratch, letter });
      for (const table of draft.tables) {
        for (const file of table.files) {
          mkdirSync(dirname(file.path), { recursive: true });
          writeFileSync(file.path, letter.repeat(200_000));
        }
      }
      await publishLayer(lake, draft);
      print('published');
    }
  },

  /** Starts to write a large object, says so, and never ends it. */
  async hang(lake, [key = '']) {
    setInterval(() => undefined, 60_000);
    const endless = async function* () {
      print('writing');
      for (;;) yield await new Promise<never>(() => undefined);
    };
    await lake.put(key, endless() as unknown as Uint8Array);
  },

  /** Takes the lease NAME, says so, and keeps it until killed. */
  async hold(lake, [name = '']) {
    const lease = await acquireLease(lake, name, {
      owner: thisProcess(),
      now: () => new Date(),
      signal: new AbortController().signal,
    });
    print(`held ${lease.name}`);
    setInterval(() => undefined, 60_000);
  },

  /** Takes and gives back the lease NAME, COUNT times; prints when it held it, in microseconds. */
  async turns(lake, [name = '', count = '0']) {
    const microseconds = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
    for (let done = 0; done < Number(count); ) {
      try {
        const lease = await acquireLease(lake, name, {
          owner: thisProcess(),
          now: () => new Date(),
          signal: new AbortController().signal,
        });
        const from = microseconds();
        const to = microseconds();
        await lease.release();
        print(`${from} ${to}`);
        done += 1;
      } catch (error) {
        if (!isOperatorError(error) || error.code !== 'LEASE_HELD') throw error;
      }
    }
  },
};

const [task = '', address = '[]', args = '[]'] = process.argv.slice(2);
const run = tasks[task];
if (run === undefined) throw new Error(`There is no task ${task}.`);
await run(await openLake(JSON.parse(address)), JSON.parse(args));

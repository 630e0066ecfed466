import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interrupted } from '../../src/system/errors.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { makeWorkshop, type Workshop } from './support.js';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await makeWorkshop();
  schema = await constraints();
});
afterAll(() => workshop.remove());

const header = 'ProductId,UserId,Score,Time,Summary,Text';
const many = (rows: number): string =>
  [
    header,
    ...Array.from({ length: rows }, (_, i) => `P${i % 50},U${i % 700},5,${i},s,text ${i}`),
    'P,U,broken,1,s,t',
  ].join('\n');

const stored = async () => {
  const [row] = await workshop.client.query<{ rows: number }>(
    `SELECT (SELECT count(*) FROM amazon.review)::int + (SELECT count(*) FROM amazon.product)::int
          + (SELECT count(*) FROM amazon.customer)::int AS rows`,
  );
  return row?.rows;
};

const constraints = () =>
  workshop.client.query(
    "SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition, convalidated FROM pg_constraint WHERE connamespace = 'amazon'::regnamespace ORDER BY 1, 2",
  );
let schema: unknown;

const rejectsPublished = (): string[] => {
  const directory = join(workshop.directory, 'rejects');
  return existsSync(directory) ? readdirSync(directory) : [];
};

/** Runs an import that `act` disturbs at the first event that matches. */
async function disturbed(
  path: string,
  when: (event: ProgressEvent) => boolean,
  act: (controller: AbortController) => void,
): Promise<unknown> {
  const controller = new AbortController();
  let acted = false;
  const importing = workshop.import([path], {
    context: {
      signal: controller.signal,
      now: () => new Date(),
      report: (event) => {
        if (acted || !when(event)) return;
        acted = true;
        act(controller);
      },
    },
  });
  return importing.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('an import that is interrupted', () => {
  it.each<[string, (event: ProgressEvent) => boolean]>([
    ['while it reads', (event) => event.type === 'started' && event.task.startsWith('read')],
    ['while it stages', (event) => event.type === 'finished' && event.task.startsWith('read')],
    ['while it copies', (event) => event.type === 'progress' && event.task === 'load review'],
    [
      'while it inserts',
      (event) => event.type === 'finished' && event.task === 'load product_reviews',
    ],
  ])('%s leaves nothing', async (_when, matches) => {
    const path = await workshop.writeGzip('many.csv.gz', many(20_000));
    const started = performance.now();
    const error = await disturbed(path, matches, (controller) => controller.abort(interrupted()));
    expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(await stored()).toBe(0);
    expect(await constraints()).toEqual(schema);
    expect(rejectsPublished()).toEqual([]);
  });

  it('leaves nothing either when the connection breaks', async () => {
    const path = await workshop.write('many.csv', many(20_000));
    const killed: Promise<unknown>[] = [];
    const error = await disturbed(
      path,
      (event) => event.type === 'progress' && event.task === 'load review',
      () => {
        killed.push(
          workshop.client.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reviewops import' AND datname = current_database()",
          ),
        );
      },
    );
    await Promise.all(killed);
    expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE', exitCode: 5 });
    expect(await stored()).toBe(0);
    expect(rejectsPublished()).toEqual([]);
  });

  it('leaves nothing when a constraint refuses a row that a mapping made', async () => {
    await workshop.client.query(
      'ALTER TABLE amazon.product ADD CONSTRAINT short CHECK (length(product_id) < 3)',
    );
    const path = await workshop.write('many.csv', many(10).replace('P9,', 'P-long,'));
    await expect(workshop.import([path])).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringContaining('short'),
    });
    await workshop.client.query('ALTER TABLE amazon.product DROP CONSTRAINT short');
    expect(await stored()).toBe(0);
  });
});

describe('a first import of many rows', () => {
  it('leaves every foreign key as it was, and holding', async () => {
    const path = await workshop.write('many.csv', many(10_000));
    expect(await workshop.import([path])).toMatchObject({ loaded: 10_000 });
    expect(await constraints()).toEqual(schema);
    await expect(
      workshop.client.query("INSERT INTO amazon.product_reviews VALUES ('nothing', 'nowhere')"),
    ).rejects.toMatchObject({ message: expect.stringContaining('foreign key') });
    await workshop.client.query('TRUNCATE amazon.customer, amazon.product, amazon.review CASCADE');
  });
});

describe('two imports of the same file at once', () => {
  it('load each record once', async () => {
    const path = await workshop.write('many.csv', many(3_000));
    const results = await Promise.all([workshop.import([path]), workshop.import([path])]);
    const loaded = results.map((result) => result.loaded).sort((a, b) => a - b);
    expect(loaded).toEqual([0, 3_000]);
    for (const result of results) {
      expect(result.read).toBe(3_001);
      expect(result.folded).toBe(3_000 - result.loaded);
    }
    await workshop.client.query('TRUNCATE amazon.customer, amazon.product, amazon.review CASCADE');
  });
});

describe('the counts', () => {
  it('add up for every mix of good, bad, repeated and malformed records', async () => {
    const record = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.nat(8).map((n) => ({ line: `P${n % 3},U,5,${n},s,t`, key: `${n}` })),
      },
      { weight: 1, arbitrary: fc.constant({ line: ',U,5,1,s,t', key: undefined }) },
      { weight: 1, arbitrary: fc.constant({ line: 'P,U,x,1,s,t', key: undefined }) },
      { weight: 1, arbitrary: fc.constant({ line: 'P,U', key: undefined }) },
      { weight: 1, arbitrary: fc.constant({ line: '', key: 'blank' }) },
    );
    const known = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 25 }), async (records) => {
        const path = await workshop.write(
          'mix.csv',
          `${[header, ...records.map(({ line }) => line)].join('\n')}\n`,
        );
        const result = await workshop.import([path]);
        const counted = records.filter(({ key }) => key !== 'blank');
        const fresh = new Set(
          counted.flatMap(({ key }) => (key === undefined || known.has(key) ? [] : [key])),
        );
        const rejected = counted.filter(({ key }) => key === undefined).length;
        expect(result).toMatchObject({
          read: counted.length,
          loaded: fresh.size,
          rejected,
          folded: counted.length - rejected - fresh.size,
        });
        expect(result.rejectsFile === null).toBe(rejected === 0);
        for (const key of fresh) known.add(key);
      }),
      { numRuns: 6 },
    );
  });
});

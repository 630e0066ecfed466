import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type DatabaseClient, openClient } from '../../src/database/client.js';
import { copyIn, copyOut, copyToFile } from '../../src/database/copy.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let client: DatabaseClient;
let directory: string;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  client = await database.client();
  directory = await mkdtemp(join(tmpdir(), 'reviewops-copy-'));
  // Rows of 1 to 300,000 bytes: many in one packet, and some over several.
  await client.execute(`CREATE TABLE sample AS
    SELECT i AS id, repeat(chr(65 + i % 26), CASE WHEN i % 500 = 0 THEN 300000 ELSE i * 7919 % 211 END) AS body
    FROM generate_series(1, 5000) AS i`);
});

afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

/** A connection that the test may break, or stop. */
const open = (signal = new AbortController().signal) =>
  openClient(database.target, {
    purpose: 'copy test',
    settings: configSchema.parse({}).database,
    signal,
  });

// In the target list a series is made as it is sent, not before.
const endless = `COPY (SELECT repeat('x', 1000), generate_series(1, 100000000)) TO STDOUT`;

describe('copyOut', () => {
  it('hands over every row once, whole and in order', async () => {
    const hash = createHash('md5');
    let rows = 0;
    let longest = 0;
    const counted = await copyOut(client, 'COPY (TABLE sample ORDER BY id) TO STDOUT', (batch) => {
      hash.update(batch.bytes);
      expect(batch.bytes.at(-1)).toBe(0x0a);
      expect(batch.bytes.filter((byte) => byte === 0x0a)).toHaveLength(batch.rows);
      rows += batch.rows;
      longest = Math.max(longest, batch.longest);
      return undefined;
    });
    const [expected] = await client.query<{ md5: string; longest: number }>(
      `SELECT md5(string_agg(id || E'\\t' || body || E'\\n', '' ORDER BY id)) AS md5,
              max(octet_length(id || E'\\t' || body || E'\\n')) AS longest FROM sample`,
    );
    expect([counted, rows, longest]).toEqual([5000, 5000, expected?.longest]);
    expect(hash.digest('hex')).toBe(expected?.md5);
  });

  it('leaves the connection usable, for any query and the next copy', async () => {
    for (const sql of ['COPY (SELECT 1 WHERE false) TO STDOUT', 'COPY (SELECT 1) TO STDOUT']) {
      await copyOut(client, sql, () => undefined);
      expect(await client.query('SELECT 2 AS two')).toEqual([{ two: 2 }]);
    }
  });

  it('stops the server while it has to wait', async () => {
    const connection = await open();
    let release = (): void => undefined;
    let taken = 0;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let first = (): void => undefined;
    const started = new Promise<void>((resolve) => {
      first = resolve;
    });
    const copying = copyOut(
      connection,
      `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT`,
      ({ rows }) => {
        taken += rows;
        first();
        return held;
      },
    );
    await started;
    // The server blocks in its write once the buffers between are full.
    await waitFor(async () => {
      const rows = await client.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%copy test' AND wait_event = 'ClientWrite'`,
      );
      return rows.length === 1;
    });
    expect(taken).toBeLessThan(1000);
    release();
    expect(await copying).toBe(100000);
    expect(taken).toBe(100000);
    await connection.close();
  });

  it('throws what the handler throws, without reading to the end', async () => {
    for (const fail of [
      () => {
        throw new Error('no more');
      },
      () => Promise.reject(new Error('no more')),
    ]) {
      const connection = await open();
      await expect(copyOut(connection, endless, fail)).rejects.toThrow('no more');
      await connection.close();
    }
  });

  it('throws the server’s error, and the connection can go on', async () => {
    const failing = `COPY (SELECT 1 / (5000 - id) FROM sample ORDER BY id) TO STDOUT`;
    await expect(copyOut(client, failing, () => undefined)).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
    });
    expect(await client.query('SELECT 2 AS two')).toEqual([{ two: 2 }]);
  });

  it('names a connection that was lost', async () => {
    const connection = await open();
    let killed = false;
    const copying = copyOut(connection, endless, () => {
      if (killed) return undefined;
      killed = true;
      return kill();
    });
    await expect(copying).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE', exitCode: 5 });
    await connection.close();
  });

  it('ends within two seconds of an interruption, on both sides', async () => {
    const stop = new AbortController();
    const connection = await open(stop.signal);
    let stopped = 0;
    const copying = copyOut(connection, endless, () => {
      if (stopped === 0) {
        stopped = performance.now();
        stop.abort();
      }
      return undefined;
    });
    await expect(copying).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(performance.now() - stopped).toBeLessThan(4000);
    await connection.close();
    await waitFor(async () => (await client.query(backends)).length === 0);
  });
});

const backends = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%copy test'`;

async function kill(): Promise<void> {
  await client.query(`SELECT pg_terminate_backend(pid) FROM (${backends}) AS others`);
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('files', () => {
  it('copies a table to a file and back', async () => {
    const path = join(directory, 'sample.csv');
    const out = await copyToFile(client, 'COPY sample TO STDOUT (FORMAT csv)', path);
    expect(out).toEqual({ rows: 5000, bytes: (await stat(path)).size });
    await client.execute('CREATE TABLE again (LIKE sample)');
    const back = await copyIn(client, 'COPY again FROM STDIN (FORMAT csv)', createReadStream(path));
    expect(back).toEqual(out);
    expect(await client.query('TABLE sample EXCEPT ALL TABLE again')).toEqual([]);
  });

  it('replaces what the file held', async () => {
    const path = join(directory, 'replaced.csv');
    await writeFile(path, 'x'.repeat(100));
    await copyToFile(client, 'COPY (SELECT 1) TO STDOUT', path);
    expect(await readFile(path, 'utf8')).toBe('1\n');
  });

  it('names a full disk, and removes what it wrote', async () => {
    const place = await mkdtemp(join(directory, 'full-'));
    const path = join(place, 'full');
    await symlink('/dev/full', path);
    const connection = await open();
    await expect(copyToFile(connection, endless, path)).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringContaining(path),
    });
    await connection.close();
    expect(await readdir(place)).toEqual([]);
  });
});

describe('copyIn', () => {
  it('sends pieces of any size', async () => {
    await client.execute('CREATE TABLE pieces (id integer, body text)');
    const pieces = async function* () {
      yield Buffer.from('1,a');
      yield Buffer.from('b\n2,');
      yield Buffer.alloc(3_000_000, 'x');
      yield Buffer.from('\n');
    };
    const copied = await copyIn(client, 'COPY pieces FROM STDIN (FORMAT csv)', pieces());
    expect(copied).toEqual({ rows: 2, bytes: 3_000_008 });
    expect(await client.query('SELECT id, length(body) AS n FROM pieces ORDER BY id')).toEqual([
      { id: 1, n: 2 },
      { id: 2, n: 3_000_000 },
    ]);
  });

  it('loads nothing when the source fails', async () => {
    await client.execute('CREATE TABLE untouched (id integer)');
    const failing = async function* () {
      yield Buffer.from('1\n');
      throw new Error('the source broke');
    };
    await expect(copyIn(client, 'COPY untouched FROM STDIN', failing())).rejects.toThrow(
      'the source broke',
    );
    expect(await client.query('TABLE untouched')).toEqual([]);
  });

  it('throws the server’s error when it refuses a row', async () => {
    const wrong = async function* () {
      for (;;) yield Buffer.from('not a number\n'.repeat(1000));
    };
    await expect(copyIn(client, 'COPY untouched FROM STDIN', wrong())).rejects.toMatchObject({
      message: expect.stringContaining('invalid input syntax'),
    });
    expect(await client.query('TABLE untouched')).toEqual([]);
  });

  it('ends when it is interrupted while it sends', async () => {
    const stop = new AbortController();
    const connection = await open(stop.signal);
    const started = performance.now();
    const endlessSource = async function* () {
      for (;;) {
        yield Buffer.from('1\n'.repeat(10_000));
        if (performance.now() - started > 100) stop.abort();
      }
    };
    await expect(
      copyIn(connection, 'COPY untouched FROM STDIN', endlessSource()),
    ).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await connection.close();
    expect(await client.query('TABLE untouched')).toEqual([]);
  });
});

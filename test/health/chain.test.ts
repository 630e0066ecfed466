import { readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { embeddedStatus, ensureEmbedded, stopEmbedded } from '../../src/database/embedded/index.js';
import { migrate } from '../../src/database/migrate.js';
import { checks } from '../../src/health/catalogue.js';
import type { HealthReport } from '../../src/health/runner.js';
import type { Key, Layer } from '../../src/lake/lake.js';
import { batchPrefix, manifestKey } from '../../src/lake/layout.js';
import { readLayer } from '../../src/lake/published.js';
import { runPipeline } from '../../src/pipeline/run.js';
import { registerSecretUrl } from '../../src/system/redact.js';
import { publishBatch } from '../support/batches.js';
import { breakAndCure, type System, type Way } from '../support/chain.js';
import { expectDistinct } from '../support/chain-tickets.js';
import { makeHome } from '../support/home.js';
import { incidentWorld } from '../support/incidents.js';
import { makeBrokenWorld } from '../support/repairs.js';
import { rewriteLayer } from '../support/rewrite.js';
import { inFourBuckets, openS3Lake } from '../support/s3-lake.js';
import { makeBucket, randomName } from '../support/s3-probe.js';
import { type RunningServer, startS3 } from '../support/s3-server.js';
import { insertReviews } from '../support/world.js';

/**
 * The heart of it: each way of breaking the system that the operators' documents know is found by
 * health, which names the runbook and its inputs; that runbook, and those its evidence leads to,
 * repair it; and health finds nothing any more. Each opens exactly one ticket, of the right level and
 * cause, which is not opened twice, learns of the cure, and is reopened when it comes back.
 */

const reviews = 300;

/** No row breaks a rule: the reject rate of the world's reviews is an alarm by itself. */
const cleanSource = "UPDATE amazon.review SET rating = 3, body = 'A text of some length.'";

const runOnce = async ({ world, target, settings, lake }: System): Promise<string> => {
  const environment = await world.another();
  const config = configSchema.parse(settings);
  const { batchId } = await runPipeline(
    { ...environment, config, lake, database: async () => target },
    { command: 'run', from: 'extract', to: 'load' },
  );
  return batchId;
};

async function makeSystem(options: { reviews: number; settings?: object }): Promise<System> {
  const { settings = {} } = options;
  const world = await makeBrokenWorld(options);
  await world.client.execute(cleanSource);
  // What that left behind is no finding of these tests.
  await world.client.execute('VACUUM ANALYZE amazon.review');
  const usual = {
    ...settings,
    retention: { keepLast: 1 },
    // How long a run takes is the machine's business here, but where it is what breaks.
    health: { runDurationPercent: { warning: null } },
  };
  const tickets = await incidentWorld();
  const { target } = world.database;
  return { world, target, lake: world.lake, settings: usual, tickets };
}

const dispose = ({ world, tickets }: System) => Promise.all([world.dispose(), tickets.dispose()]);

const sql =
  (...statements: string[]): Way['break'] =>
  async ({ world }) => {
    for (const statement of statements) await world.client.execute(statement);
  };

const newest = async ({ lake }: System): Promise<string> => {
  const ids = new Set<string>();
  for await (const { key } of lake.list('bronze/')) ids.add(key.split('/')[1]?.slice(6) ?? '');
  return [...ids].sort().at(-1) ?? '';
};

const fileOf = async (system: System, layer: Layer, table: string): Promise<Key> => {
  const found = await readLayer(system.lake, layer, await newest(system));
  return found?.manifest.tables.find(({ name }) => name === table)?.files[0]?.key ?? '';
};

const pathOf = ({ world }: System, key: Key): string => join(world.root, 'data', key);

const lose =
  (...layers: Layer[]): Way['break'] =>
  async (system) => {
    for (const layer of layers) {
      const keys: Key[] = [];
      const prefix = batchPrefix(layer, await newest(system));
      for await (const { key } of system.lake.list(prefix)) keys.push(key);
      await system.lake.remove(keys);
    }
  };

/** One bit in the middle: size and names stay as they are. */
const flip =
  (layer: Layer, table: string): Way['break'] =>
  async (system) => {
    const path = pathOf(system, await fileOf(system, layer, table));
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
  };

const at = (system: System, change: (url: URL) => void): void => {
  const url = new URL(system.world.database.target.url);
  change(url);
  registerSecretUrl(url.href);
  system.target = { ...system.target, url: url.href };
};

const usualTarget: Way['person'] = async (system) => {
  system.target = system.world.database.target;
};

const corrupt = {
  check: 'checksums',
  state: 'critical',
  runbook: 'corrupt-batch',
  ticket: { severity: 'P2', cause: 'batch/<batch>' },
} as const;
const connection = {
  check: 'database',
  state: 'critical',
  runbook: 'database-connection',
  ticket: { severity: 'P1', cause: 'error/DATABASE_UNREACHABLE', service: 'database' },
} as const;
const lost = {
  check: 'manifests',
  state: 'critical',
  runbook: 'parquet-not-found',
  ticket: { severity: 'P2', cause: 'batch/<batch>' },
} as const;
const inconsistent = {
  state: 'warning',
  runbook: 'inconsistent-rows',
  ticket: { severity: 'P4', cause: 'check/served-rows' },
} as const;

const ways: Way[] = [
  {
    name: 'database connection impossible: a port where nothing listens',
    ...connection,
    break: async (system) =>
      at(system, (url) => {
        url.port = '1';
      }),
    person: usualTarget,
  },
  {
    name: 'database connection impossible: the password was reset',
    ...connection,
    ticket: { severity: 'P1', cause: 'error/DATABASE_PASSWORD_REJECTED', service: 'database' },
    break: async (system) =>
      at(system, (url) => {
        url.password = 'quite-wrong-9f3';
      }),
    person: usualTarget,
  },
  {
    name: 'database connection impossible: rights are missing',
    ...connection,
    check: 'grants',
    ticket: { severity: 'P2', cause: 'check/grants' },
    break: async (system) => {
      const role = `chain_${system.world.database.target.url.slice(-6)}`;
      await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'chain-of-tests'`)(system);
      at(system, (url) => {
        url.username = role;
        url.password = 'chain-of-tests';
      });
    },
    person: async (system) => {
      const role = new URL(system.target.url).username;
      const owner = new URL(system.world.database.target.url).username;
      await sql(`GRANT "${owner}" TO ${role}`)(system);
    },
    after: async (system) => {
      const role = new URL(system.target.url).username;
      await usualTarget(system, '');
      await sql(`DROP ROLE ${role}`)(system);
    },
  },
  {
    name: 'silver files missing: the transform crashed',
    check: 'silver',
    state: 'critical',
    runbook: 'silver-missing',
    ticket: { severity: 'P2', cause: 'batch/<batch>' },
    break: lose('silver', 'gold'),
  },
  {
    name: 'gold incomplete: the model never published it',
    check: 'gold',
    state: 'critical',
    runbook: 'gold-incomplete',
    ticket: { severity: 'P2', cause: 'batch/<batch>' },
    break: async (system) => system.lake.remove([manifestKey('gold', await newest(system))]),
  },
  {
    name: 'gold incomplete: half of the rows have no score',
    check: 'gold',
    state: 'critical',
    runbook: 'gold-incomplete',
    ticket: { severity: 'P3', cause: 'batch/<batch>' },
    break: async (system) =>
      rewriteLayer(
        system.world,
        'gold',
        await newest(system),
        'fact_reviews',
        `SELECT * FROM layer LIMIT ${reviews / 2}`,
      ),
  },
  {
    name: 'Parquet file not found: a file of gold was deleted',
    ...lost,
    break: async (system) => system.lake.remove([await fileOf(system, 'gold', 'fact_reviews')]),
  },
  {
    name: 'source files missing: a file of bronze was deleted by hand',
    ...lost,
    break: async (system) => system.lake.remove([await fileOf(system, 'bronze', 'review')]),
  },
  {
    name: 'source files corrupt: one bit of bronze',
    ...corrupt,
    break: flip('bronze', 'review'),
  },
  { name: 'corrupt batch: one bit of silver', ...corrupt, break: flip('silver', 'review') },
  { name: 'corrupt batch: one bit of gold', ...corrupt, break: flip('gold', 'fact_reviews') },
  {
    name: 'corrupt batch: a file was cut short',
    ...corrupt,
    check: 'manifests',
    break: async (system) =>
      truncate(pathOf(system, await fileOf(system, 'bronze', 'product')), 100),
  },
  {
    name: 'corrupt batch: a manifest was cut short',
    ...corrupt,
    check: 'manifests',
    break: async (system) =>
      truncate(pathOf(system, manifestKey('bronze', await newest(system))), 40),
  },
  {
    name: 'inconsistent rows: some were deleted by hand',
    ...inconsistent,
    check: 'served-rows',
    break: sql(
      'DELETE FROM amazon.fact_reviews WHERE score < (SELECT avg(score) FROM amazon.fact_reviews)',
    ),
  },
  {
    name: 'inconsistent rows: ids were changed by hand',
    ...inconsistent,
    check: 'orphan-rows',
    ticket: { severity: 'P4', cause: 'check/orphan-rows' },
    break: sql("UPDATE amazon.fact_reviews SET review_id = 'x' || review_id"),
  },
  {
    name: 'inconsistent rows: a view is older than its table',
    ...inconsistent,
    check: 'views',
    ticket: { severity: 'P4', cause: 'check/views' },
    break: sql(
      'CREATE TABLE kept AS SELECT * FROM amazon.fact_reviews ORDER BY review_id LIMIT 50',
      'DELETE FROM amazon.fact_reviews WHERE review_id IN (SELECT review_id FROM kept)',
      'REFRESH MATERIALIZED VIEW amazon.product_summary',
      'INSERT INTO amazon.fact_reviews SELECT * FROM kept',
      'DROP TABLE kept',
    ),
  },
  {
    name: 'relation not found: the serving table was dropped',
    check: 'tables',
    state: 'critical',
    runbook: 'relation-not-found',
    ticket: { severity: 'P2', cause: 'check/tables' },
    leadsTo: ['inconsistent-rows'],
    break: sql('DROP TABLE amazon.fact_reviews CASCADE'),
  },
  {
    name: 'relation not found: a dropped table took a foreign key along',
    check: 'foreign-keys',
    state: 'warning',
    runbook: 'relation-not-found',
    ticket: { severity: 'P4', cause: 'check/foreign-keys' },
    break: sql('ALTER TABLE amazon.orders DROP CONSTRAINT orders_carrier_id_fkey'),
  },
  {
    name: 'crash in the model stage: silver lacks a column',
    check: 'parquet-schema',
    state: 'critical',
    runbook: 'model-crash',
    ticket: { severity: 'P2', cause: 'batch/<batch>' },
    break: async (system) =>
      rewriteLayer(
        system.world,
        'silver',
        await newest(system),
        'review',
        'SELECT * EXCLUDE (body) FROM layer',
      ),
  },
  {
    name: 'abnormal reject rate: the source gives ratings that are none',
    check: 'reject-rate',
    state: 'critical',
    runbook: 'reject-rate',
    ticket: { severity: 'P3', cause: 'check/reject-rate/{batchId:"<batch>"}' },
    break: async (system) => {
      await sql('UPDATE amazon.review SET rating = 9 WHERE substr(review_id, 2)::int % 8 = 0')(
        system,
      );
      await runOnce(system);
    },
    person: sql(cleanSource),
    after: runOnce,
  },
  {
    name: 'slow at peak hours: tables are full of dead rows',
    check: 'dead-rows',
    state: 'critical',
    runbook: 'vacuum',
    ticket: { severity: 'P3', cause: 'check/dead-rows/{tables:["amazon.review"]}' },
    break: async (system) => {
      // Not left to autovacuum, which may come at any moment.
      await sql('ALTER TABLE amazon.review SET (autovacuum_vacuum_threshold = 1000000)')(system);
      for (let round = 0; round < 6; round += 1) {
        await sql('UPDATE amazon.review SET title = title')(system);
      }
      await system.world.client.query('SELECT pg_stat_force_next_flush()');
    },
    after: sql('ALTER TABLE amazon.review RESET (autovacuum_vacuum_threshold)'),
  },
  {
    name: 'slow at peak hours: the last run took much longer than usual',
    check: 'run-duration',
    state: 'warning',
    runbook: 'slow-at-peak',
    ticket: { severity: 'P4', cause: 'check/run-duration' },
    break: async (system) => {
      await runOnce(system);
      system.settings = { ...system.settings, health: {} };
      await sql(
        `UPDATE maintenance.pipeline_runs SET seconds = seconds * 60
         WHERE started_at = (SELECT max(started_at) FROM maintenance.pipeline_runs)`,
      )(system);
    },
    after: async (system) => {
      await runOnce(system);
      system.settings = { ...system.settings, health: { runDurationPercent: { warning: null } } };
    },
  },
  {
    name: 'old batches: the lake has outgrown its budget',
    check: 'lake-space',
    state: 'critical',
    runbook: 'purge-batches',
    ticket: { severity: 'P2', cause: 'check/lake-space/{olderThan:"30d"}' },
    break: async (system) => {
      const sum = async () => {
        let bytes = 0;
        for await (const object of system.lake.list('')) bytes += object.bytes;
        return bytes;
      };
      const before = await sum();
      const old = new Date(Date.now() - 60 * 86_400_000);
      const id = `${old.toISOString().slice(0, 10).replaceAll('-', '')}_000000`;
      const scratch = await system.world.services.scratch();
      await publishBatch(system.lake, id, scratch, { now: old });
      await system.lake.put(`bronze/batch=${id}/left-behind.parquet`, Buffer.alloc(before));
      const budget = `${Math.ceil((before * 1.6) / 1000)}kB`;
      system.settings = { ...system.settings, lake: { budget } };
    },
    after: async (system) => {
      system.settings = { ...system.settings, lake: { budget: '10GB' } };
    },
  },
  {
    name: 'S3 errors: the place of a layer is taken',
    check: 'lake',
    state: 'critical',
    runbook: 's3-errors',
    ticket: { severity: 'P1', cause: 'error/LAKE_UNREACHABLE', service: 'etl' },
    break: async (system) => {
      const data = join(system.world.root, 'data');
      await rename(data, `${data}-moved`);
      await writeFile(data, 'somebody put a file here');
    },
    person: async ({ world }) => {
      const data = join(world.root, 'data');
      await rename(data, `${data}-file`);
      await rename(`${data}-moved`, data);
    },
  },
  {
    name: 'integration failure: the schema is gone; the data is injected again',
    check: 'schema',
    state: 'critical',
    runbook: 'relation-not-found',
    ticket: { severity: 'P2', cause: 'check/schema' },
    break: sql('DROP SCHEMA amazon CASCADE', 'DROP SCHEMA maintenance CASCADE'),
    after: async (system) => {
      await insertReviews(system.world.client, reviews);
      await sql(cleanSource)(system);
      await runOnce(system);
    },
  },
];

describe('found by health, one ticket, cured by the runbook it names, and healthy again:', () => {
  let system: System;
  beforeAll(async () => {
    system = await makeSystem({ reviews });
    await runOnce(system);
  });
  afterAll(() => dispose(system));

  const seen: { way: Way; report: HealthReport }[] = [];
  it.each(ways)('$name', async (way) => {
    seen.push({ way, report: await breakAndCure(way, system) });
  });

  it('all of it at once: as many tickets as there are causes', async () => {
    const tickets = await incidentWorld();
    try {
      expect(seen.length).toBe(ways.length);
      await expectDistinct(tickets, seen);
    } finally {
      await tickets.dispose();
    }
  });
});

it('join runs out of memory', async () => {
  const system = await makeSystem({ reviews: 5000 });
  try {
    await runOnce(system);
    const way: Way = {
      name: 'join runs out of memory: the limit is too low for the rows',
      check: 'last-run',
      state: 'critical',
      runbook: 'join-out-of-memory',
      ticket: { severity: 'P2', cause: 'run/ENGINE_OUT_OF_MEMORY', service: 'etl', ofRun: true },
      break: async (broken) => {
        // Less than an extract takes, however its sessions share it.
        broken.settings = { ...broken.settings, pipeline: { memoryLimit: '4MB', threads: 2 } };
        await runOnce(broken).catch(() => undefined);
      },
      person: async (cured, instruction) => {
        const [, memoryLimit] = /memoryLimit: (\w+)/.exec(instruction) ?? [];
        cured.settings = { ...cured.settings, pipeline: { memoryLimit, threads: 1 } };
      },
    };
    await breakAndCure(way, system);
  } finally {
    await dispose(system);
  }
});

it('database connection impossible: the embedded server has stopped', async () => {
  const system = await makeSystem({ reviews: 1 });
  const place = await makeHome();
  const job = {
    signal: new AbortController().signal,
    report: () => undefined,
    now: () => new Date(),
  };
  const config = configSchema.parse({});
  try {
    const { home } = place;
    const target = await ensureEmbedded({ home, config, ...job });
    await migrate(target, config, job);
    const embedded: System = {
      ...system,
      target,
      home,
      checks: ['database', 'schema', 'tables', 'grants', 'foreign-keys'],
    };
    await breakAndCure(
      {
        name: 'server stopped',
        ...connection,
        break: () => stopEmbedded({ home, ...job }),
        after: async (cured) => {
          const { port } = await embeddedStatus({ home });
          const url = new URL(cured.target.url);
          url.port = String(port);
          cured.target = { ...cured.target, url: url.href };
        },
      },
      embedded,
    );
  } finally {
    await place.remove();
    await dispose(system);
  }
});

describe('S3 errors', () => {
  let server: RunningServer;
  let system: System;
  beforeAll(async () => {
    server = await startS3();
    system = await makeSystem({ reviews: 1 });
    system.checks = ['lake', 'lake-writable', 'silver', 'gold', 'manifests', 'checksums', 'leases'];
    system.settings = { ...system.settings, lake: { kind: 's3' } };
  });
  afterAll(async () => {
    await dispose(system);
    await server.stop();
  });

  it.each<Way>([
    {
      name: 'the bucket was deleted or renamed',
      check: 'lake',
      state: 'critical',
      runbook: 's3-errors',
      ticket: { severity: 'P1', cause: 'error/BUCKET_NOT_FOUND', service: 'etl' },
      break: async (broken) => {
        const pattern = `${randomName()}-{layer}`;
        const { lake } = await inFourBuckets(server);
        broken.lake = await openS3Lake({
          server,
          lake: { ...lake, s3: { ...lake.s3, bucket: pattern } },
        });
        Object.assign(broken, { pattern });
      },
      person: async (broken) => {
        const { pattern } = broken as System & { pattern: string };
        for (const layer of ['raw', 'bronze', 'silver', 'gold']) {
          await makeBucket(server, pattern.replace('{layer}', layer));
        }
      },
    },
    {
      name: 'the endpoint does not answer',
      check: 'lake',
      state: 'critical',
      runbook: 's3-errors',
      ticket: { severity: 'P1', cause: 'error/LAKE_UNREACHABLE', service: 'etl' },
      break: async (broken) => {
        const address = await inFourBuckets(server, { maxAttempts: 1 });
        const { lake } = address;
        Object.assign(broken, { right: await openS3Lake(address) });
        broken.lake = await openS3Lake({
          server,
          lake: { ...lake, s3: { ...lake.s3, endpoint: 'http://127.0.0.1:9' } },
        });
      },
      person: async (broken) => {
        broken.lake = (broken as System & { right: System['lake'] }).right;
      },
    },
  ])('$name', async (way) => {
    system.lake = await openS3Lake(await inFourBuckets(server));
    await breakAndCure(way, system);
  });

  it('source files missing or corrupt on S3: a lost file is made again', async () => {
    const s3 = await makeSystem({ reviews: 50 });
    try {
      s3.lake = await openS3Lake(await inFourBuckets(server));
      s3.settings = { ...s3.settings, lake: { kind: 's3' } };
      // The age of the access key is nobody's to know here.
      s3.checks = checks.map(({ name }) => name).filter((name) => name !== 'access-key-age');
      await runOnce(s3);
      for (const layer of ['bronze', 'gold'] as const) {
        const table = layer === 'gold' ? 'fact_reviews' : 'review';
        await breakAndCure(
          {
            name: `a file of ${layer} is lost`,
            ...lost,
            break: async (system) => system.lake.remove([await fileOf(system, layer, table)]),
          },
          s3,
        );
      }
      const overwrite: Way['break'] = async (system) => {
        const key = await fileOf(system, 'silver', 'review');
        const bytes = await system.lake.read(key);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        await system.lake.put(key, bytes);
      };
      await breakAndCure({ name: 'one bit of silver', ...corrupt, break: overwrite }, s3);
    } finally {
      await dispose(s3);
    }
  });
});

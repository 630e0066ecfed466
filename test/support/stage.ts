import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { parquetSource } from '../../src/engine/parquet.js';
import { type Engine, openEngine } from '../../src/engine/session.js';
import type { Layer } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { Manifest } from '../../src/lake/manifest.js';
import { type DraftTable, publishLayer, requireLayer } from '../../src/lake/publish.js';
import type { StageContext } from '../../src/pipeline/stage.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { draftTable } from './draft-table.js';

export interface StageWorld {
  context: StageContext;
  /** Everything the stages reported. */
  events: ProgressEvent[];
  /** A session of its own, to make inputs and to look at outputs. */
  engine: Engine;
  /** Publishes bronze from one query a table, or one a file. */
  publishBronze(
    batchId: string,
    tables: Record<string, string | string[]>,
    snapshotAt?: Date,
  ): Promise<void>;
  /** Rows of a published table. */
  rows<Row>(
    layer: Layer,
    batchId: string,
    table: string,
    order?: string,
    columns?: string,
  ): Promise<Row[]>;
  manifest(layer: Layer, batchId: string): Promise<Manifest>;
  dispose(): Promise<void>;
}

export interface StageWorldOptions {
  settings?: object;
  database?: DatabaseTarget;
  now?: Date;
  signal?: AbortSignal;
}

export const testPseudonymKey = Buffer.from('a key of the tests, long enough');

export const testTool = { name: 'reviewops', version: '0.0.0-test' };

/** For a file of tests: makes worlds that are disposed of after each test. */
export function stageWorlds(): typeof makeStageWorld {
  const worlds: StageWorld[] = [];
  afterEach(async () => {
    await Promise.all(worlds.splice(0).map((world) => world.dispose()));
  });
  return async (options) => {
    const world = await makeStageWorld(options);
    worlds.push(world);
    return world;
  };
}

/** A local lake in a temporary directory and what a stage needs to work on it. */
export async function makeStageWorld(options: StageWorldOptions = {}): Promise<StageWorld> {
  const root = await mkdtemp(join(tmpdir(), 'reviewops-stage-'));
  const scratch = await mkdtemp(join(root, 'scratch-'));
  const lake = await openLocalLake(join(root, 'data'));
  const config: Config = configSchema.parse(options.settings ?? {});
  const events: ProgressEvent[] = [];
  const now = options.now ?? new Date('2026-01-02T03:04:05Z');
  const signal = options.signal ?? new AbortController().signal;
  const quiet = () => undefined;
  const engine = await openEngine({ memoryLimit: '256MB', threads: 2, scratch, signal });
  const context: StageContext = {
    config,
    lake,
    published: new Set(),
    database: async () => {
      if (options.database === undefined) throw new Error('This test has no database.');
      return options.database;
    },
    pseudonymKey: testPseudonymKey,
    scratch,
    log: { info: quiet, warn: quiet, error: quiet },
    tool: testTool,
    report: (event) => events.push(event),
    signal,
    now: () => now,
  };
  return {
    context,
    events,
    engine,
    publishBronze: async (batchId, tables, snapshotAt = now) => {
      const drafts: DraftTable[] = [];
      for (const [name, queries] of Object.entries(tables)) {
        drafts.push(await draftTable(engine, scratch, name, queries));
      }
      await publishLayer(lake, {
        layer: 'bronze',
        batchId,
        tables: drafts,
        source: {
          server: 'test',
          database: 'test',
          schema: 'amazon',
          lsn: null,
          snapshotAt: snapshotAt.toISOString(),
        },
        parents: [],
        rejected: {},
        settings: {},
        tool: testTool,
        now,
      });
    },
    rows: async <Row>(layer: Layer, batchId: string, name: string, order = '1', columns = '*') => {
      const { manifest } = await requireLayer(lake, layer, batchId);
      const table = manifest.tables.find((entry) => entry.name === name);
      const copies = await Promise.all(
        (table?.files ?? []).map((file) => lake.fetch(file.key, scratch)),
      );
      const rows = await engine.rows<Row>(
        `SELECT ${columns} FROM ${parquetSource(copies.map(({ path }) => path))} ORDER BY ${order}`,
      );
      await Promise.all(copies.map((copy) => copy.dispose()));
      return rows;
    },
    manifest: async (layer, batchId) => (await requireLayer(lake, layer, batchId)).manifest,
    dispose: async () => {
      await engine.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

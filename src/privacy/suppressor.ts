import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { describeParquet, parquetSource } from '../engine/parquet.js';
import { type Engine, quoteName } from '../engine/session.js';
import type { Layer } from '../lake/lake.js';
import type { DraftTable } from '../lake/publish.js';
import type { PrivacyKeys } from './keys.js';
import type { PrivacyModel } from './model.js';
import { needleLists } from './needle-lists.js';
import { Needles } from './needles.js';
import { rewriteParquet } from './parquet-rewriter.js';
import { pseudonymDomain, rowCondition, type Shape, type ShapeOwning, shapeOf } from './shapes.js';
import type { Tombstone } from './suppression.js';
import { declareDigest, declareTombstones } from './tombstone-table.js';

export interface SuppressWork {
  engine: Engine;
  config: Config;
  keys: PrivacyKeys;
  /** Where rows of people are; for bronze from the catalog, else only the configuration counts. */
  model: PrivacyModel;
  scratch: string;
  /**
   * For gold, whose rows do not say since when their author has the account: rows of silver, as the
   * engine's SQL. They decide where a review has no date.
   */
  accounts?: string | undefined;
}

/**
 * Takes the rows of suppressed people out of the tables of a layer before they are published. Each
 * identifier has tombstones of its own, and only records up to the latest of these count: somebody
 * who registered again stays. A record without a date is as old as the account of its author.
 *
 * @returns the tables, with new files where rows were dropped, and how many were
 */
export async function suppressTables(
  work: SuppressWork,
  layer: Layer,
  tables: readonly DraftTable[],
  tombstones: readonly Tombstone[],
): Promise<{ tables: DraftTable[]; dropped: number }> {
  if (tombstones.length === 0) return { tables: [...tables], dropped: 0 };
  const { engine, config, model } = work;
  await declareDigest(engine, work.keys);
  await declareTombstones(engine, tombstones);
  await engine.run('SET preserve_insertion_order = true');
  const shaped = tables.flatMap((table) => {
    const shape = shapeOf(
      `${layer}/batch=00000000_000000/${table.name}.parquet`,
      model,
      config,
      true,
    );
    return shape === undefined || shape.owning.length === 0 ? [] : [{ table, shape }];
  });
  shaped.sort((a, b) => a.shape.depth - b.shape.depth);
  const needles = new Needles();
  await engine.run(
    'CREATE OR REPLACE TABLE suppressed (suppressed_domain VARCHAR, suppressed_id VARCHAR, suppressed_until TIMESTAMP WITH TIME ZONE)',
  );
  if (layer === 'bronze') await findPeople(work, shaped, needles);
  else await findPseudonyms(work, shaped, needles);
  if (needles.domains().every((domain) => needles.size(domain) === 0)) {
    return { tables: [...tables], dropped: 0 };
  }
  await declareAccounts(work, layer, tables);
  for (let before = -1; before !== total(needles); ) {
    before = total(needles);
    for (const { table, shape } of shaped) await collect(work, shape, table, needles);
  }
  return dropRows(work, layer, tables, shaped, needles);
}

type Shaped = { table: DraftTable; shape: Shape };

const total = (needles: Needles): number =>
  needles.domains().reduce((sum, domain) => sum + needles.size(domain), 0);

const sourceOf = ({ files }: DraftTable): string => parquetSource(files.map(({ path }) => path));

/** Ids of a layer that are under a tombstone, found by any identifier of a row. */
async function findPeople(
  { engine }: SuppressWork,
  shaped: readonly Shaped[],
  needles: Needles,
): Promise<void> {
  for (const { table, shape } of shaped) {
    const names = new Set(table.columns.map(({ name }) => name));
    const ids = shape.provides.filter(({ domain }) => domain === 'customer' || domain === 'buyer');
    for (const { domain, column, value } of shape.owning) {
      if (!['customer', 'buyer', 'email', 'phone'].includes(domain) || !names.has(column)) continue;
      const id = domain === 'email' || domain === 'phone' ? ids[0]?.column : column;
      if (id === undefined) continue;
      const kinds = domain === 'customer' ? ['customer', 'buyer'] : [domain];
      await suppress(engine, needles, {
        domain: domain === 'buyer' ? 'buyer' : 'customer',
        kinds,
        value,
        id: `CAST(${quoteName(id)} AS VARCHAR)`,
        from: `${sourceOf(table)} WHERE ${quoteName(column)} IS NOT NULL`,
      });
    }
  }
}

/** Pseudonyms under a tombstone. */
async function findPseudonyms(
  { engine }: SuppressWork,
  shaped: readonly Shaped[],
  needles: Needles,
): Promise<void> {
  for (const { table, shape } of shaped) {
    const own = shape.owning.find(({ domain }) => domain === pseudonymDomain);
    if (own === undefined) continue;
    await suppress(engine, needles, {
      domain: pseudonymDomain,
      kinds: ['pseudonym'],
      value: own.value,
      id: own.value,
      from: sourceOf(table),
    });
  }
}

interface Present {
  domain: string;
  kinds: readonly string[];
  /** What the digests are of, and the id it stands for, in the engine's SQL. */
  value: string;
  id: string;
  from: string;
}

async function suppress(
  engine: Engine,
  needles: Needles,
  { domain, kinds, value, id, from }: Present,
): Promise<void> {
  const found = await engine.rows<{ id: string }>(
    `INSERT INTO suppressed
     WITH present AS (SELECT DISTINCT ${value} AS value, ${id} AS id FROM ${from})
     SELECT '${domain}', id, max(effective_at) FROM present JOIN tombstone
       ON kind IN (${kinds.map((kind) => `'${kind}'`).join(', ')}) AND digest = privacy_digest(kind, value)
     WHERE id IS NOT NULL GROUP BY id
     RETURNING suppressed_id AS id`,
  );
  needles.add(
    domain,
    found.map((row) => row.id),
  );
}

/**
 * The rows of suppressed people that are not younger than their tombstone. A row that does not say
 * when it was made is as old as the account of its author.
 */
async function conditionOf(
  { engine, config }: SuppressWork,
  shape: Shape,
  table: DraftTable,
  needles: Needles,
): Promise<string | undefined> {
  const lists = await needleLists(engine, needles, shape);
  const columns = table.columns.map(({ name }) => name);
  const parts = shape.owning.flatMap((owning) => {
    const condition = rowCondition({ ...shape, owning: [owning] }, columns, (domain) =>
      lists.get(domain),
    );
    if (condition === undefined) return [];
    const subject = ['customer', 'buyer', pseudonymDomain].includes(owning.domain);
    if (!subject) return [condition];
    const until = `(SELECT max(suppressed_until) FROM suppressed WHERE suppressed_domain = '${owning.domain}' AND suppressed_id = ${owning.value})`;
    return [
      `(${condition} AND coalesce(${writtenAt(config, shape, columns, owning)} <= ${until}, true))`,
    ];
  });
  return parts.length === 0 ? undefined : `(${parts.join(' OR ')})`;
}

/** When the record of a row was made, in the engine's SQL; NULL where nothing tells. */
function writtenAt(
  config: Config,
  { name }: Shape,
  columns: readonly string[],
  owning: ShapeOwning,
): string {
  const accountOf = (id: string) =>
    `(SELECT max(account_since) FROM account WHERE account_id = ${id})`;
  const time = 'TIMESTAMP WITH TIME ZONE';
  if (name === 'silver/rejected') {
    return `TRY_CAST(json_extract_string(original_data, '$.created_at') AS ${time})`;
  }
  if (name.startsWith('bronze/')) {
    const { customer, review } = config.source.entities;
    const own = [customer, review].find(({ table }) => name === `bronze/${table}`)?.created_at;
    const account = accountOf(owning.value);
    return own === undefined || own === null || !columns.includes(own)
      ? account
      : `coalesce(TRY_CAST(${quoteName(own)} AS ${time}), ${account})`;
  }
  const since = columns.includes('buyer_since') ? 'buyer_since' : accountOf('review_id');
  return `coalesce(reviewed_at, ${since})`;
}

/**
 * Since when there are accounts, as `account(account_id, account_since)`: of customers for bronze;
 * by review for gold, whose rows do not say it themselves.
 */
async function declareAccounts(
  { engine, config, accounts }: SuppressWork,
  layer: Layer,
  tables: readonly DraftTable[],
): Promise<void> {
  await engine.run(
    'CREATE OR REPLACE TABLE account (account_id VARCHAR, account_since TIMESTAMP WITH TIME ZONE)',
  );
  const { customer } = config.source.entities;
  const table = tables.find(({ name }) => name === customer.table);
  const since = customer.created_at;
  if (layer === 'bronze' && table?.columns.some(({ name }) => name === since) === true) {
    await engine.run(
      `INSERT INTO account
       SELECT CAST(${quoteName(customer.customer_id)} AS VARCHAR), TRY_CAST(${quoteName(since ?? '')} AS TIMESTAMP WITH TIME ZONE)
       FROM ${sourceOf(table)}
       WHERE CAST(${quoteName(customer.customer_id)} AS VARCHAR) IN (SELECT suppressed_id FROM suppressed)`,
    );
  } else if (layer === 'gold' && accounts !== undefined) {
    await engine.run(
      `INSERT INTO account SELECT review_id, buyer_since FROM ${accounts}
       WHERE reviewed_at IS NULL AND buyer_id IN (SELECT suppressed_id FROM suppressed)`,
    );
  }
}

async function collect(
  work: SuppressWork,
  shape: Shape,
  table: DraftTable,
  needles: Needles,
): Promise<void> {
  const condition = await conditionOf(work, shape, table, needles);
  if (condition === undefined) return;
  for (const { column, domain } of shape.provides) {
    if (!table.columns.some(({ name }) => name === column)) continue;
    const rows = await work.engine.rows<{ value: string }>(
      `SELECT DISTINCT CAST(${quoteName(column)} AS VARCHAR) AS value FROM ${sourceOf(table)} WHERE ${condition} AND ${quoteName(column)} IS NOT NULL`,
    );
    needles.add(
      domain,
      rows.map(({ value }) => value),
    );
  }
}

async function dropRows(
  work: SuppressWork,
  layer: Layer,
  tables: readonly DraftTable[],
  shaped: readonly Shaped[],
  needles: Needles,
): Promise<{ tables: DraftTable[]; dropped: number }> {
  const { engine } = work;
  const directory = join(work.scratch, 'suppressed');
  await mkdir(directory, { recursive: true });
  let dropped = 0;
  const kept: DraftTable[] = [];
  for (const table of tables) {
    const shape = shaped.find((one) => one.table === table)?.shape;
    const condition =
      shape === undefined ? undefined : await conditionOf(work, shape, table, needles);
    const files: DraftTable['files'] = [];
    for (const [part, file] of table.files.entries()) {
      const rows = condition === undefined ? 0 : await count(engine, file.path, condition);
      if (rows === 0 || condition === undefined) {
        files.push(file);
        continue;
      }
      const path = join(directory, `${layer}-${kept.length}-${part}.parquet`);
      await rewriteParquet(engine, {
        from: file.path,
        to: path,
        condition,
        redact: undefined,
        rows,
      });
      const { rows: left, ranges } = await describeParquet(engine, path, Object.keys(file.ranges));
      files.push({ path, rows: left, ranges });
      dropped += rows;
    }
    kept.push({ ...table, files });
  }
  return { tables: kept, dropped };
}

async function count(engine: Engine, path: string, condition: string): Promise<number> {
  const [row] = await engine.rows<{ rows: number }>(
    `SELECT count(*) AS rows FROM ${parquetSource([path])} WHERE ${condition}`,
  );
  return row?.rows ?? 0;
}

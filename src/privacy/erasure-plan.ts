import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Treatment } from '../config/privacy-schema.js';
import { type DatabaseClient, withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { batchHoldKey, parseBatchKey } from '../lake/layout.js';
import { refused } from '../system/errors.js';
import { treatmentProblems } from './database-eraser.js';
import { findInDatabase, type TableFinding } from './database-finder.js';
import type { Identifiers } from './identifiers.js';
import type { PrivacyKeys } from './keys.js';
import { findInLake, type LakeFindings, type LakeHit } from './lake-finder.js';
import { disposeAll, fetchUnits, type LakeUnit, unitName } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import { findMentions, type Mentions } from './mentions.js';
import { type Domain, type PrivacyModel, readModel } from './model.js';
import { Needles, needlesOf } from './needles.js';
import { fidelityProblem } from './parquet-rewriter.js';
import { pseudonymDomain, redactedColumns } from './shapes.js';

export interface Subject {
  requestId: string;
  identifiers: Identifiers;
}

export interface PlannedObject {
  key: string;
  /** Null where the lake keeps no versions. */
  versionId: string | null;
  /** `rewrite` the present object, `purge` an old version; `remains` with the reason. */
  action: 'rewrite' | 'purge' | 'remains';
  why: string | null;
  shape: string;
  sameKey: boolean;
  rows: number;
  treatment: Treatment;
  bytes: number;
  etag: string | null;
  /** Until when the store keeps this version (ISO 8601), or `legal hold`. */
  retained: string | null;
}

/** An upload that somebody began; nobody can see what is in it. */
export interface PlannedUpload {
  key: string;
  begunAt: string;
}

/** Everything found about the people of some requests, and what will be done with it. */
export interface Discovery {
  model: PrivacyModel;
  needles: Needles;
  tables: TableFinding[];
  lake: LakeFindings;
  objects: PlannedObject[];
  uploads: PlannedUpload[];
  mentions: Mentions;
  /** Each stops the erasure. */
  unclassified: string[];
  problems: string[];
  /** Rows in the tables where people are looked for. */
  people: number;
}

export interface DiscoveryWork extends Omit<LakeWork, 'model'> {
  keys: PrivacyKeys;
  target: DatabaseTarget;
  readOnly: boolean;
}

/** Connects for one piece of work, under the limits of the configuration. */
export const inDatabase = <T>(
  { target, config, job, readOnly }: Pick<DiscoveryWork, 'target' | 'config' | 'job' | 'readOnly'>,
  purpose: string,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> =>
  withClient(target, { purpose, settings: config.database, signal: job.signal, readOnly }, work);

/** What a kind of identifier is called where it is looked for. */
export const domainOf =
  ({ tables }: PrivacyModel) =>
  (kind: string): Domain => {
    for (const { owning } of tables) {
      const found = owning.find(({ via }) => via === kind);
      if (found !== undefined) return found.domain;
    }
    return kind;
  };

/**
 * Finds people in the database and in the lake, as often as one leads to more in the other. `known`
 * is what earlier searches found.
 */
export async function discover(
  work: DiscoveryWork,
  subjects: readonly Subject[],
  known: Needles = new Needles(),
): Promise<Discovery> {
  return inDatabase(work, 'gdpr discover', async (client) => {
    const model = await readModel(client, work.config);
    const needles = needlesOf(
      subjects.map(({ identifiers }) => identifiers),
      domainOf(model),
    );
    needles.addAll(known);
    const { tables, lake } = await searchBoth(client, { ...work, model }, needles);
    const nullable = await readNullable(client);
    const objects = await planObjects(work, lake.hits);
    const purged = new Set(
      objects.flatMap(({ key, versionId, action }) =>
        action === 'purge' ? [`${key}@${versionId}`] : [],
      ),
    );
    const goes = (unit: LakeUnit) => purged.has(unitName(unit));
    return {
      model,
      needles,
      tables,
      lake,
      objects,
      uploads: await planUploads(work),
      mentions: await findMentions(client, { ...work, model }, needles, lake, goes),
      unclassified: [...model.unclassified, ...lake.unclassified],
      problems: treatmentProblems(
        tables.map(({ table }) => table),
        (table, column) => nullable.has(`${table.id}.${column}`),
      ),
      people: needles.size('customer'),
    };
  });
}

/** Each costs a search of the whole lake; links that a person has end much sooner. */
const mostRounds = 10;

/**
 * Searches database and lake in turn until neither leads to anything new: a review that only the
 * lake knows any more may have rows in the database, and these objects in the lake.
 *
 * @throws LINKS_ENDLESS (exit 3)
 */
async function searchBoth(
  client: DatabaseClient,
  work: LakeWork,
  needles: Needles,
): Promise<{ tables: TableFinding[]; lake: LakeFindings }> {
  let tables = await findInDatabase(client, work.model, needles);
  for (let round = 1; round <= mostRounds; round += 1) {
    const given = sizeOf(needles);
    const lake = await findInLake(work, needles, true);
    const found = sizeOf(needles);
    if (found === given) return { tables, lake };
    tables = await findInDatabase(client, work.model, needles);
    if (sizeOf(needles) === found) return { tables, lake };
  }
  throw refused(
    'LINKS_ENDLESS',
    `After ${mostRounds} searches of database and lake, the links still lead to more. Nothing was changed.`,
    {
      hint: 'One of privacy.links or privacy.files joins what does not belong together: reviewops gdpr map',
    },
  );
}

/** How many values can lead on; pseudonyms only stand for customers that are known already. */
const sizeOf = (needles: Needles): number =>
  needles
    .domains()
    .filter((domain) => domain !== pseudonymDomain)
    .reduce((sum, domain) => sum + needles.size(domain), 0);

async function readNullable(client: DatabaseClient): Promise<Set<string>> {
  const rows = await client.query<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname || '.' || a.attname AS name
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE a.attnum > 0 AND NOT a.attnotnull AND c.relkind IN ('r', 'p')`,
  );
  return new Set(rows.map(({ name }) => name));
}

async function planObjects(
  work: DiscoveryWork,
  hits: readonly LakeHit[],
): Promise<PlannedObject[]> {
  const held = new Map<string, string | undefined>();
  const objects: PlannedObject[] = [];
  const scratch = await mkdtemp(join(work.scratch, 'fidelity-'));
  try {
    for (const hit of hits) {
      const { unit, shape, rows } = hit;
      let why = await holdOn(work, unit.key, held);
      if (unit.present) why ??= hit.stuck;
      if (why === undefined && unit.present && shape.name !== 'text' && shape.rows !== 'keep') {
        const copies = await fetchUnits(work.lake, [unit], scratch);
        const problem = await fidelityProblem(
          copies[0]?.path ?? '',
          shape.rows === 'delete' ? undefined : (columns) => redactedColumns(shape, columns),
        );
        await disposeAll(copies);
        why = problem === undefined ? undefined : `it cannot be rewritten without loss: ${problem}`;
      }
      if (shape.rows === 'keep') {
        why = `kept: ${shape.rule.reason} (${shape.rule.owner}, review ${shape.rule.reviewAt})`;
      }
      objects.push({
        key: unit.key,
        versionId: unit.versionId ?? null,
        action: why !== undefined ? 'remains' : unit.present ? 'rewrite' : 'purge',
        why: why ?? null,
        shape: shape.name,
        sameKey: shape.sameKey,
        rows,
        treatment: shape.rows,
        bytes: unit.bytes,
        etag: unit.etag ?? null,
        retained: await retainedUntil(work, unit),
      });
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return objects;
}

async function retainedUntil({ lake }: DiscoveryWork, unit: LakeUnit): Promise<string | null> {
  const { key, versionId } = unit;
  if (versionId === undefined || lake.versions === undefined) return null;
  // Where a present object has no version of its own, the bucket keeps none and locks nothing.
  if (unit.present && versionId === 'null') return null;
  const kept = await lake.versions.retention(key, versionId);
  if (kept === undefined) return null;
  return 'until' in kept ? kept.until.toISOString() : 'legal hold';
}

async function planUploads({ lake }: DiscoveryWork): Promise<PlannedUpload[]> {
  const uploads = new Map<string, PlannedUpload>();
  for await (const { key, begunAt } of lake.unfinishedUploads?.('') ?? []) {
    uploads.set(key, { key, begunAt: begunAt.toISOString() });
  }
  return [...uploads.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

async function holdOn(
  { lake }: DiscoveryWork,
  key: string,
  known: Map<string, string | undefined>,
): Promise<string | undefined> {
  const batchId = parseBatchKey(key)?.batchId;
  if (batchId === undefined) return undefined;
  if (!known.has(batchId)) {
    const hold = await lake.readVersion(batchHoldKey(batchId));
    known.set(batchId, hold === undefined ? undefined : `batch ${batchId} is under a legal hold`);
  }
  return known.get(batchId);
}

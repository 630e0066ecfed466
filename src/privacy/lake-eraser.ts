import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeParquet } from '../engine/parquet.js';
import { type Engine, openEngine } from '../engine/session.js';
import type { Key, Lake } from '../lake/lake.js';
import type { LakeVersion } from '../lake/lake-versions.js';
import { batchHoldKey, batchLeaseName, parseBatchKey } from '../lake/layout.js';
import { acquireLease, type Lease } from '../lake/lease.js';
import { failed, isOperatorError, partial, refused, throwIfAborted } from '../system/errors.js';
import { hashFile } from '../system/hash-file.js';
import { thisProcess } from '../system/owner.js';
import type { PlannedObject } from './erasure-plan.js';
import { readEntries } from './journal.js';
import type { LakeErasure } from './lake-erasure.js';
import { followManifests } from './manifests.js';
import { needleLists } from './needle-lists.js';
import { rewriteParquet } from './parquet-rewriter.js';
import { redactedColumns, rowCondition, shapeOf } from './shapes.js';
import { scanText, textSearch } from './text-files.js';
import { wantedOf } from './wanted.js';

/**
 * Takes the planned rows out of the planned objects, batch by batch, each under the batch's lease:
 * planned, written, verified, purged, each in the journal before it happens. What a run before this
 * one wrote is found by the journal and gone on from there.
 *
 * @throws PLAN_CHANGED (exit 3), BATCH_ON_HOLD (exit 3), LEASE_HELD (exit 3), PURGE_FAILED (exit 4)
 */
export async function eraseInLake(work: LakeErasure): Promise<void> {
  const objects = work.planned.filter(({ action }) => action !== 'remains');
  const scratch = await mkdtemp(join(work.scratch, 'erase-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    await engine.run('SET preserve_insertion_order = true');
    const eraser = new Eraser(work, engine, scratch, await writtenBefore(work));
    let done = 0;
    for (const { key } of work.uploads) await eraser.callOff(key);
    for (const [batchId, own] of byBatch(objects)) {
      await eraser.batch(batchId, own, () => {
        done += 1;
        const { length: total } = objects;
        work.job.report({
          type: 'progress',
          task: 'erase in the lake',
          done,
          total,
          unit: 'files',
        });
      });
    }
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Hashes that this run has announced for a key: any of them may be what lies there. */
async function writtenBefore({ home, runId }: LakeErasure): Promise<Map<Key, Set<string>>> {
  const written = new Map<Key, Set<string>>();
  for (const { event } of await readEntries(home)) {
    if (event.type !== 'object.writing' || event.runId !== runId) continue;
    const key = String(event.key);
    const hashes = written.get(key) ?? new Set<string>();
    written.set(key, hashes.add(String(event.sha256)));
  }
  return written;
}

function byBatch(objects: readonly PlannedObject[]): Map<string, PlannedObject[]> {
  const batches = new Map<string, PlannedObject[]>();
  for (const object of objects) {
    const batchId = parseBatchKey(object.key)?.batchId ?? '';
    const own = batches.get(batchId) ?? [];
    batches.set(batchId, own);
    own.push(object);
  }
  return batches;
}

class Eraser {
  readonly #work: LakeErasure;
  readonly #engine: Engine;
  readonly #scratch: string;
  readonly #written: ReadonlyMap<Key, ReadonlySet<string>>;

  constructor(
    work: LakeErasure,
    engine: Engine,
    scratch: string,
    written: ReadonlyMap<Key, ReadonlySet<string>>,
  ) {
    this.#work = work;
    this.#engine = engine;
    this.#scratch = scratch;
    this.#written = written;
  }

  /** Under the batch's lease, so that no living writer loses what it is at. */
  async callOff(key: Key): Promise<void> {
    const { lake, job, now, journal, runId } = this.#work;
    const batchId = parseBatchKey(key)?.batchId;
    const options = { owner: thisProcess(), now, signal: job.signal };
    const lease =
      batchId === undefined
        ? undefined
        : await acquireLease(lake, batchLeaseName(batchId), options);
    try {
      await this.#work.mayGoOn();
      await journal.append({ type: 'upload.calling-off', runId, key });
      await lake.callOffUploads?.(key);
      for await (const left of lake.unfinishedUploads?.(key) ?? []) {
        if (left.key !== key) continue;
        throw partial('UPLOAD_LEFT', `The unfinished upload of ${key} is still there.`, {
          hint: 'The credential needs s3:AbortMultipartUpload; then resume the run.',
        });
      }
    } finally {
      await lease?.release();
    }
  }

  async batch(batchId: string, objects: readonly PlannedObject[], onDone: () => void) {
    const { lake, job, now } = this.#work;
    let lease: Lease | undefined;
    if (batchId !== '') {
      lease = await acquireLease(lake, batchLeaseName(batchId), {
        owner: thisProcess(),
        now,
        signal: job.signal,
      });
    }
    const step = async (): Promise<void> => {
      throwIfAborted(job.signal);
      if (lease !== undefined) throwIfAborted(lease.lost);
      await this.#work.mayGoOn();
      if (batchId !== '') await requireNoBatchHold(lake, batchId);
    };
    try {
      const keys = [...new Set(objects.map(({ key }) => key))];
      for (const key of keys) {
        await step();
        await this.#object(
          key,
          objects.filter((object) => object.key === key),
        );
        onDone();
      }
      await step();
      if (batchId !== '') {
        const rewritten = objects.filter(({ action }) => action === 'rewrite');
        await followManifests(this.#work, this.#engine, this.#scratch, batchId, rewritten);
      }
    } finally {
      await lease?.release();
    }
  }

  /** One key: its present object is rewritten, its old versions with the person are purged. */
  async #object(key: Key, planned: readonly PlannedObject[]): Promise<void> {
    const { journal, runId } = this.#work;
    // What the store keeps by its lock is named as remaining.
    const versions = planned.flatMap(({ versionId, retained }) =>
      versionId === null || retained !== null ? [] : [versionId],
    );
    await journal.append({ type: 'object.planned', runId, key, versions });
    const present = planned.find(({ action }) => action === 'rewrite');
    if (present !== undefined) await this.#rewrite(key, present);
    if (versions.length > 0) await this.#purge(key, versions, present !== undefined);
    await journal.append({ type: 'object.purged', runId, key, versions });
  }

  async #rewrite(key: Key, planned: PlannedObject): Promise<void> {
    const { lake, journal, runId } = this.#work;
    const head = await lake.head(key);
    if (head?.etag === planned.etag) {
      const copy = await lake.fetch(key, this.#scratch);
      const to = join(this.#scratch, `rewritten-${process.hrtime.bigint()}.parquet`);
      try {
        const { sha256, bytes, rowsBefore, rowsAfter } = await this.#write(
          copy.path,
          to,
          key,
          planned,
        );
        const counts = { rowsBefore, rowsAfter };
        await journal.append({ type: 'object.writing', runId, key, sha256, bytes, ...counts });
        await lake.putFile(key, to, { ifMatch: planned.etag ?? '' });
        await journal.append({ type: 'object.written', runId, key, sha256 });
        await this.#readBack(key, new Set([sha256]));
      } catch (error) {
        if (isOperatorError(error) && error.code === 'OBJECT_CHANGED') throw changed(key);
        throw error;
      } finally {
        await copy.dispose();
        await rm(to, { force: true });
      }
      return;
    }
    const announced = this.#written.get(key);
    if (head === undefined || announced === undefined) throw changed(key);
    await this.#readBack(key, announced);
  }

  async #write(from: string, to: string, key: Key, planned: PlannedObject) {
    const { model, config, needles } = this.#work;
    if (planned.shape === 'text') return this.#writeText(from, to, key, planned);
    const { columns } = await describeParquet(this.#engine, from);
    const names = columns.map(({ name }) => name);
    const shape = shapeOf(key, model, config, planned.sameKey);
    if (shape === undefined) throw changed(key);
    const lists = await needleLists(this.#engine, needles, shape);
    const condition = rowCondition(shape, names, (domain) => lists.get(domain));
    if (condition === undefined) throw changed(key);
    const redact = shape.rows === 'delete' ? undefined : redactedColumns(shape, names);
    return rewriteParquet(this.#engine, { from, to, condition, redact, rows: planned.rows });
  }

  async #writeText(from: string, to: string, key: Key, planned: PlannedObject) {
    const { model, config, needles, pseudonymKey } = this.#work;
    const wanted = wantedOf(needles, pseudonymKey);
    const search = textSearch(key, { model, config, needles, wanted });
    if (search === undefined) throw changed(key);
    const { records, hits } = await scanText(from, key, search, to);
    const left = await scanText(to, key, search);
    if (hits !== planned.rows || left.hits !== 0 || left.records !== records - hits) {
      throw changed(key);
    }
    return { rowsBefore: records, rowsAfter: left.records, ...(await hashFile(to)) };
  }

  /** The store's word that it has written is not believed: the bytes are read again. */
  async #readBack(key: Key, announced: ReadonlySet<string>): Promise<void> {
    const { lake, journal, runId } = this.#work;
    const copy = await lake.fetch(key, this.#scratch);
    try {
      const { sha256 } = await hashFile(copy.path);
      if (!announced.has(sha256)) throw changed(key);
      await journal.append({ type: 'object.verified', runId, key, sha256 });
    } finally {
      await copy.dispose();
    }
  }

  /** Exactly the versions of the plan, whatever the present object shows. */
  async #purge(key: Key, versionIds: readonly string[], rewritten: boolean): Promise<void> {
    const { lake, journal, runId } = this.#work;
    if (lake.versions === undefined) return;
    const seen: LakeVersion[] = [];
    for await (const version of lake.versions.list(key))
      if (version.key === key) seen.push(version);
    // Without versions, or with them suspended, the new bytes took the place and the id `null` of
    // the old ones: that id must not be deleted now.
    const replaced = rewritten ? seen.find(({ latest }) => latest)?.versionId : undefined;
    const wanted = versionIds.filter((versionId) => versionId !== replaced);
    await journal.append({ type: 'object.purging', runId, key, versions: wanted });
    await lake.versions.remove(wanted.map((versionId) => ({ key, versionId })));
    for await (const version of lake.versions.list(key)) {
      if (version.key !== key || !wanted.includes(version.versionId)) continue;
      throw partial(
        'PURGE_FAILED',
        `Version ${version.versionId} of ${key} is still there although it was deleted.`,
        {
          hint: 'An object lock or a policy may keep it; see it with aws s3api get-object-retention.',
        },
      );
    }
  }
}

async function requireNoBatchHold(lake: Lake, batchId: string): Promise<void> {
  if ((await lake.head(batchHoldKey(batchId))) === undefined) return;
  throw refused('BATCH_ON_HOLD', `Batch ${batchId} was put under a legal hold meanwhile.`, {
    hint: 'Release it (reviewops batch release), or make a new plan, which leaves it out.',
  });
}

const changed = (key: Key) =>
  failed('PLAN_CHANGED', `${key} is no longer what the plan names; it was left as it is.`, {
    hint: 'Make a new plan: reviewops gdpr plan.',
  });

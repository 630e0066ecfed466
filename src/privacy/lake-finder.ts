import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.js';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, literal, openEngine, quoteName } from '../engine/session.js';
import type { Key, Lake } from '../lake/lake.js';
import { tableOfKey } from '../lake/privacy-layout.js';
import { readLayer } from '../lake/publish.js';
import { pseudonym, pseudonymKeyId } from '../pipeline/pseudonym.js';
import { errorMessage, isOperatorError } from '../system/errors.js';
import type { JobContext } from '../system/progress.js';
import { disposeAll, fetchUnits, type LakeUnit, listUnits, type UnitCopy } from './lake-units.js';
import type { Domain, PrivacyModel } from './model.js';
import type { Needles } from './needles.js';
import { bySchema } from './parquet-groups.js';
import { pseudonymDomain, rowCondition, type Shape, shapeOf, unclassifiedIn } from './shapes.js';
import { scanText, type TextResult, textSearch } from './text-files.js';
import { globPattern } from './text-shape.js';
import { isOwnDocument, keyMask, wantedOf } from './wanted.js';

export interface LakeHit {
  unit: LakeUnit;
  shape: Pick<Shape, 'name' | 'rows' | 'rule' | 'sameKey'>;
  /** Rows of the person in it. */
  rows: number;
  /** Why they cannot be taken out, where the search saw that. */
  stuck?: string | undefined;
}

export interface LakeFindings {
  hits: LakeHit[];
  filesScanned: number;
  bytesScanned: number;
  /** What no class is known for, by name: `bronze/review.column`, or a key. */
  unclassified: string[];
  /** What cannot be searched, with the reason. */
  unreadable: { name: string; why: string }[];
  /** What is searched by a weaker link only. */
  notes: string[];
  /** Keys that hold an identifier themselves, masked. */
  revealing: string[];
  /** Somebody else's records that name the person. */
  mentions: { unit: LakeUnit; rows: number }[];
}

export interface LakeWork {
  lake: Lake;
  config: Config;
  model: PrivacyModel;
  pseudonymKey: Uint8Array;
  scratch: string;
  job: Pick<JobContext, 'signal' | 'report'>;
}

/** At once on the local disk, where the lake is not local. */
const groupFiles = 2000;
const groupBytes = 2e9;

/**
 * Finds the rows of a person in every Parquet file of the lake and its old versions, and adds to
 * the needles what it finds on its way (`customer` ids by address, review ids of old batches).
 */
export async function findInLake(work: LakeWork, needles: Needles): Promise<LakeFindings> {
  const scratch = await mkdtemp(join(work.scratch, 'find-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    return await new LakeSearch(work, needles, engine, scratch).run();
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Candidate {
  unit: LakeUnit;
  shape: Shape;
}

class LakeSearch {
  readonly #work: LakeWork;
  readonly #needles: Needles;
  readonly #engine: Engine;
  readonly #scratch: string;
  readonly #keys = new Set<Key>();
  readonly #others: LakeUnit[] = [];
  readonly #findings: LakeFindings = {
    hits: [],
    filesScanned: 0,
    bytesScanned: 0,
    unclassified: [],
    unreadable: [],
    notes: [],
    mentions: [],
    revealing: [],
  };

  constructor(work: LakeWork, needles: Needles, engine: Engine, scratch: string) {
    this.#work = work;
    this.#needles = needles;
    this.#engine = engine;
    this.#scratch = scratch;
  }

  async run(): Promise<LakeFindings> {
    const { job, pseudonymKey } = this.#work;
    await this.#engine.run('CREATE TABLE needle (domain VARCHAR, value VARCHAR)');
    const candidates = await this.#candidates();
    const total = candidates.length;
    this.#findings.filesScanned = total;
    this.#findings.bytesScanned = candidates.reduce((sum, { unit }) => sum + unit.bytes, 0);
    let done = 0;
    const searched = new Map<Shape, string>();
    const shapes = [...new Set(candidates.map(({ shape }) => shape))].sort(
      (a, b) => a.depth - b.depth,
    );
    for (;;) {
      this.#needles.add(
        pseudonymDomain,
        this.#needles.of('customer').map((id) => pseudonym(id, pseudonymKey)),
      );
      const next = shapes.find((shape) => searched.get(shape) !== this.#sizes(shape));
      if (next === undefined) break;
      searched.set(next, this.#sizes(next));
      const own = candidates.filter(({ shape }) => shape === next);
      this.#findings.hits = this.#findings.hits.filter(({ shape }) => shape !== next);
      const lists = await needleLists(this.#engine, this.#needles, next);
      for (const group of groups(own)) {
        await this.#search(next, group, lists);
        done += group.length;
        job.report({
          type: 'progress',
          task: 'search the lake',
          done: Math.min(done, total),
          total,
          unit: 'files',
        });
      }
    }
    await this.#searchTexts();
    this.#findings.hits.sort((a, b) => (a.unit.key < b.unit.key ? -1 : 1));
    return this.#findings;
  }

  /** What its result depends on. */
  #sizes({ owning }: Shape): string {
    return owning.map(({ domain }) => this.#needles.size(domain)).join();
  }

  async #candidates(): Promise<Candidate[]> {
    const { lake, model, config, pseudonymKey } = this.#work;
    const present = pseudonymKeyId(pseudonymKey);
    const sameKeys = new Map<string, boolean>();
    const shapes = new Map<string, Shape | undefined>();
    const candidates: Candidate[] = [];
    for (const unit of await listUnits(lake)) {
      this.#keys.add(unit.key);
      if (!unit.key.endsWith('.parquet')) {
        this.#others.push(unit);
        continue;
      }
      const place = tableOfKey(unit.key);
      let sameKey = true;
      if (place !== undefined && (place.layer === 'silver' || place.layer === 'gold')) {
        const name = `${place.layer} ${place.batchId}`;
        const known = sameKeys.get(name);
        sameKey = known ?? (await this.#madeWith(place.layer, place.batchId, present));
        if (known === undefined && !sameKey) {
          this.#findings.notes.push(
            `${place.layer} of batch ${place.batchId} was made with another key: reviews are found there by review id only.`,
          );
        }
        sameKeys.set(name, sameKey);
      }
      const name = `${place?.layer}/${place?.table}/${sameKey}`;
      if (!shapes.has(name)) shapes.set(name, shapeOf(unit.key, model, config, sameKey));
      const shape = place === undefined ? undefined : shapes.get(name);
      if (shape === undefined) this.#findings.unclassified.push(unit.key);
      else candidates.push({ unit, shape });
    }
    return candidates;
  }

  /** Files of text come last: nothing leads on from them. */
  async #searchTexts(): Promise<void> {
    const { lake, model, config, pseudonymKey } = this.#work;
    const wanted = wantedOf(this.#needles, pseudonymKey);
    const mask = keyMask(wanted);
    for (const key of this.#keys) {
      const masked = mask(key);
      if (masked !== undefined) this.#findings.revealing.push(masked);
    }
    for (const unit of this.#others) {
      if (isOwnDocument(unit.key)) continue;
      const search = textSearch(unit.key, { model, config, needles: this.#needles, wanted });
      if (search === undefined) {
        if (!config.privacy.files.some(({ match }) => globPattern(match).test(unit.key))) {
          this.#findings.unclassified.push(unit.key);
        }
        continue;
      }
      this.#findings.filesScanned += 1;
      this.#findings.bytesScanned += unit.bytes;
      const copies = await fetchUnits(lake, [unit], this.#scratch);
      try {
        const found = await scanText(copies[0]?.path ?? '', unit.key, search);
        this.#noteText(unit, found);
      } finally {
        await disposeAll(copies);
      }
    }
  }

  #noteText(unit: LakeUnit, { hits, mentions, unknown, problem, stuck }: TextResult): void {
    if (problem !== undefined) this.#unreadable(unit, problem);
    const named = unknown.map((field) => `${unit.key}: ${field}`);
    this.#findings.unclassified.push(...named);
    if (mentions > 0) this.#findings.mentions.push({ unit, rows: mentions });
    if (hits === 0) return;
    const shape = { name: 'text', rows: 'delete' as const, rule: { columns: {} }, sameKey: true };
    this.#findings.hits.push({ unit, shape, rows: hits, stuck });
  }

  async #madeWith(layer: 'silver' | 'gold', batchId: string, keyId: string): Promise<boolean> {
    try {
      const published = await readLayer(this.#work.lake, layer, batchId);
      const made = published?.manifest.settings.pseudonymKeyId;
      return made === undefined || made === keyId;
    } catch (error) {
      if (isOperatorError(error) && error.code === 'MANIFEST_CORRUPT') return false;
      throw error;
    }
  }

  async #search(
    shape: Shape,
    group: readonly Candidate[],
    lists: ReadonlyMap<Domain, string>,
  ): Promise<void> {
    const copies = await fetchUnits(
      this.#work.lake,
      group.map(({ unit }) => unit),
      this.#scratch,
    );
    try {
      const damaged = (copy: UnitCopy) =>
        this.#unreadable(copy.unit, 'it is no whole Parquet file');
      for (const same of await bySchema(this.#engine, copies, damaged)) {
        const columns = same.columns.map(({ name }) => name);
        if (shape.rule !== undefined) {
          for (const name of unclassifiedIn(shape, columns)) {
            if (!this.#findings.unclassified.includes(name)) this.#findings.unclassified.push(name);
          }
        }
        await this.#searchSame(shape, same.copies, columns, lists);
      }
    } finally {
      await disposeAll(copies);
    }
  }

  #unreadable(unit: LakeUnit, why: string): void {
    const name = unit.key;
    if (!this.#findings.unreadable.some((one) => one.name === name)) {
      this.#findings.unreadable.push({ name, why });
    }
  }

  async #searchSame(
    shape: Shape,
    copies: readonly UnitCopy[],
    columns: readonly string[],
    lists: ReadonlyMap<Domain, string>,
  ): Promise<void> {
    const condition = rowCondition(shape, columns, (domain) => lists.get(domain));
    if (condition === undefined) return;
    const byPath = new Map(copies.map((copy) => [copy.path, copy]));
    const provided = shape.provides.filter(({ column }) => columns.includes(column));
    const source = parquetSource([...byPath.keys()], ["filename = 'file name'"]);
    const kept = ['"file name"', ...provided.map(({ column }) => quoteName(column))];
    try {
      await this.#engine.run(
        `CREATE OR REPLACE TEMP TABLE hit AS SELECT ${[...new Set(kept)].join(', ')} FROM ${source} WHERE ${condition}`,
      );
    } catch (error) {
      if (!isOperatorError(error) || error.code === 'INTERRUPTED' || copies.length > 1) {
        if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
        for (const copy of copies) await this.#searchSame(shape, [copy], columns, lists);
        return;
      }
      const [copy] = copies;
      if (copy !== undefined) this.#unreadable(copy.unit, firstLine(error));
      return;
    }
    const rows = await this.#engine.rows<{ file: string; rows: number }>(
      'SELECT "file name" AS file, count(*) AS rows FROM hit GROUP BY 1',
    );
    for (const { file, rows: count } of rows) {
      const copy = byPath.get(file);
      if (copy !== undefined) this.#findings.hits.push({ unit: copy.unit, shape, rows: count });
    }
    for (const { column, domain } of provided) {
      const values = await this.#engine.rows<{ value: string }>(
        `SELECT DISTINCT CAST(${quoteName(column)} AS VARCHAR) AS value FROM hit WHERE ${quoteName(column)} IS NOT NULL`,
      );
      this.#needles.add(
        domain,
        values.map(({ value }) => value),
      );
    }
  }
}

const firstLine = (error: unknown): string => errorMessage(error).split('\n')[0] ?? '';

function groups(candidates: readonly Candidate[]): Candidate[][] {
  const all: Candidate[][] = [];
  let bytes = 0;
  for (const candidate of candidates) {
    const last = all.at(-1);
    if (last === undefined || last.length >= groupFiles || bytes > groupBytes) {
      all.push([candidate]);
      bytes = candidate.unit.bytes;
    } else {
      last.push(candidate);
      bytes += candidate.unit.bytes;
    }
  }
  return all;
}

/** Few values are written into the statement as bound variables, many are joined. */
const fewValues = 30;

/**
 * Makes the values available to statements of the engine, and gives for each domain of the shape
 * what stands behind IN. No value is part of a statement's text, where an error would quote it.
 */
export async function needleLists(
  engine: Engine,
  needles: Needles,
  shape: Pick<Shape, 'owning'>,
): Promise<Map<Domain, string>> {
  const lists = new Map<Domain, string>();
  const domains = [...new Set(shape.owning.map(({ domain }) => domain))];
  for (const [index, domain] of domains.entries()) {
    const values = needles.of(domain);
    if (values.length === 0) continue;
    if (values.length <= fewValues) {
      const names = values.map((_value, place) => `needle_${index}_${place}`);
      for (const [place, value] of values.entries()) {
        await engine.run(`SET VARIABLE ${names[place]} = $1`, [value]);
      }
      lists.set(domain, `(${names.map((name) => `getvariable('${name}')`).join(', ')})`);
      continue;
    }
    await engine.run('DELETE FROM needle WHERE domain = $1', [domain]);
    const size = 500;
    for (let at = 0; at < values.length; at += size) {
      const some = values.slice(at, at + size);
      await engine.run(
        `INSERT INTO needle VALUES ${some.map((_value, place) => `($1, $${place + 2})`).join(', ')}`,
        [domain, ...some],
      );
    }
    lists.set(domain, `(SELECT value FROM needle WHERE domain = ${literal(domain)})`);
  }
  return lists;
}

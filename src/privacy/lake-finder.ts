import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetSource } from '../engine/parquet.js';
import { type Engine, openEngine, quoteName } from '../engine/session.js';
import type { Key } from '../lake/lake.js';
import { pseudonym } from '../pipeline/pseudonym.js';
import { errorMessage, isOperatorError } from '../system/errors.js';
import { type Candidate, listCandidates } from './lake-candidates.js';
import { disposeAll, fetchUnits, type LakeUnit, slices, type UnitCopy } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import type { Domain } from './model.js';
import { needleLists } from './needle-lists.js';
import type { Needles } from './needles.js';
import { bySchema } from './parquet-groups.js';
import { pseudonymDomain, rowCondition, type Shape, unclassifiedIn } from './shapes.js';
import { scanText, type TextResult, textSearch } from './text-files.js';
import { type LakeTrace, TextPass } from './text-pass.js';
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
  /** Where else the person is named than in rows of their own. */
  traces: LakeTrace[];
}

/**
 * Finds the rows of a person in every Parquet file of the lake and its old versions, and adds to
 * the needles what it finds on its way (`customer` ids by address, review ids of old batches).
 * With `texts`, the same pass reads every text of every other row for what names the person, so
 * that no file is fetched for that again.
 */
export async function findInLake(
  work: LakeWork,
  needles: Needles,
  texts = false,
): Promise<LakeFindings> {
  const scratch = await mkdtemp(join(work.scratch, 'find-'));
  const { memoryLimit, threads } = work.config.pipeline;
  const engine = await openEngine({ memoryLimit, threads, scratch, signal: work.job.signal });
  try {
    return await new LakeSearch(work, needles, engine, scratch, texts).run();
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

class LakeSearch {
  readonly #work: LakeWork;
  readonly #needles: Needles;
  readonly #engine: Engine;
  readonly #scratch: string;
  readonly #texts: TextPass | undefined;
  readonly #findings: LakeFindings = {
    hits: [],
    filesScanned: 0,
    bytesScanned: 0,
    unclassified: [],
    unreadable: [],
    notes: [],
    traces: [],
    revealing: [],
  };

  constructor(work: LakeWork, needles: Needles, engine: Engine, scratch: string, texts: boolean) {
    this.#work = work;
    this.#needles = needles;
    this.#engine = engine;
    this.#scratch = scratch;
    this.#texts = texts
      ? new TextPass(work, needles, engine, (unit, why) => this.#unreadable(unit, why))
      : undefined;
  }

  async run(): Promise<LakeFindings> {
    const { job, pseudonymKey } = this.#work;
    const { candidates, unknown, others, keys, notes } = await listCandidates(this.#work);
    this.#findings.notes.push(...notes);
    this.#findings.unclassified.push(...unknown.map(({ key }) => key));
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
      await this.#texts?.begin(next);
      for (const group of slices(own, ({ unit }) => unit)) {
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
    await this.#readUnknown(unknown);
    this.#findings.traces = this.#texts?.traces ?? [];
    await this.#searchTexts(others, keys);
    this.#findings.hits.sort((a, b) => (a.unit.key < b.unit.key ? -1 : 1));
    return this.#findings;
  }

  /** What its result depends on. */
  #sizes({ owning }: Shape): string {
    const own = owning.map(({ domain }) => this.#needles.size(domain)).join();
    return `${own} ${this.#texts?.state}`;
  }

  /** Files of text come last: nothing leads on from them. */
  async #searchTexts(others: readonly LakeUnit[], keys: ReadonlySet<Key>): Promise<void> {
    const { lake, model, config, pseudonymKey } = this.#work;
    const wanted = wantedOf(this.#needles, pseudonymKey);
    const mask = keyMask(wanted);
    for (const key of keys) {
      const masked = mask(key);
      if (masked !== undefined) this.#findings.revealing.push(masked);
    }
    for (const unit of others) {
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
    if (mentions > 0)
      this.#findings.traces.push({ unit, counts: { found: 0, mentioned: mentions } });
    if (hits === 0) return;
    const shape = { name: 'text', rows: 'delete' as const, rule: { columns: {} }, sameKey: true };
    this.#findings.hits.push({ unit, shape, rows: hits, stuck });
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
      for (const same of await bySchema(this.#engine, copies, this.#onDamaged)) {
        const columns = same.columns.map(({ name }) => name);
        if (shape.rule !== undefined) {
          for (const name of unclassifiedIn(shape, columns)) {
            if (!this.#findings.unclassified.includes(name)) this.#findings.unclassified.push(name);
          }
        }
        await this.#searchSame(shape, same.copies, columns, lists);
        await this.#texts?.read(shape, same);
      }
    } finally {
      await disposeAll(copies);
    }
  }

  /** No link leads into them, but their texts may name the person. */
  async #readUnknown(unknown: readonly LakeUnit[]): Promise<void> {
    if (this.#texts === undefined) return;
    await this.#texts.begin(undefined);
    for (const group of slices(unknown, (unit) => unit)) {
      const copies = await fetchUnits(this.#work.lake, group, this.#scratch);
      try {
        for (const same of await bySchema(this.#engine, copies, this.#onDamaged)) {
          await this.#texts.read(undefined, same);
        }
      } finally {
        await disposeAll(copies);
      }
    }
  }

  readonly #onDamaged = ({ unit }: UnitCopy): void =>
    this.#unreadable(unit, 'it is no whole Parquet file');

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

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RowFile } from '../../database/row-file.js';
import { type ParquetColumn, type ParquetExtent, writeParquet } from '../../engine/parquet.js';
import type { Engine } from '../../engine/session.js';
import {
  escapes as allEscapes,
  commonEscapes,
  type Escapes,
  otherEscapesMarker,
} from '../../engine/types.js';
import type { DraftFile } from '../../lake/publish.js';
import { errorMessage, failed, isOperatorError } from '../../system/errors.js';
import {
  type ChunkSource,
  chunkQuery,
  emptyQuery,
  escapesQuery,
  fitsQuery,
  type TablePlan,
} from './plan.js';

/** Values were found that the planned type of these columns cannot hold. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
  constructor(readonly columns: readonly string[]) {
    super(`Values of ${columns.join(', ')} do not fit the planned types.`);
  }
}

/** Turns chunks of COPY text into Parquet files, one with each engine at a time. */
export class Converter {
  readonly #engines: Promise<Engine[]>;
  #idle: Engine[] = [];
  readonly #waiting: ((engine: Engine) => void)[] = [];
  readonly #directory: string;
  readonly #free: { path: string; bytes: number }[] = [];
  #paths = 0;
  /** Escapes found so far in the texts of a table that has more than most. */
  readonly #escapes = new Map<string, Escapes>();

  /** Takes the engines over, which may still be opening; chunks are kept in `directory`. */
  constructor(engines: Promise<Engine[]>, directory: string) {
    this.#engines = engines.then((opened) => {
      this.#idle = [...opened];
      return opened;
    });
    // Whoever needs an engine is told of a failure.
    this.#engines.catch(() => undefined);
    this.#directory = directory;
  }

  /**
   * A file for a new chunk; a converted one's where there is one: writing over the pages of an
   * old file costs a third of having new ones made.
   */
  openChunk(): RowFile {
    const free = this.#free.pop();
    if (free !== undefined) return new RowFile(free.path, free.bytes);
    this.#paths += 1;
    return new RowFile(join(this.#directory, `chunk-${this.#paths}`));
  }

  /**
   * Converts a chunk, whose file is free after.
   *
   * @throws Unfit; EXTRACT_COUNT_MISMATCH when rows were lost on the way
   */
  async convert(plan: TablePlan, chunk: RowFile, path: string): Promise<DraftFile> {
    const { rows, ranges } = await this.#convert(plan, chunk, path).finally(() => chunk.close());
    this.#free.push({ path: chunk.path, bytes: chunk.bytes });
    if (rows !== chunk.rows) throw countMismatch(plan.table.name, chunk.rows, rows);
    return { path, rows, ranges };
  }

  async #convert(plan: TablePlan, chunk: RowFile, path: string): Promise<ParquetExtent> {
    await chunk.finish();
    const source = { path: chunk.path, longestRow: chunk.longest };
    return this.#withEngine((engine) => this.#write(engine, plan, source, path));
  }

  /** Writes a file of no rows. */
  async empty(plan: TablePlan, path: string): Promise<DraftFile> {
    const { rows, ranges } = await this.#withEngine((engine) =>
      writeParquet(engine, emptyQuery(plan), path, keyOf(plan)),
    );
    return { path, rows, ranges };
  }

  /** Removes the chunks; the disk need not be told of what it has not been given yet. */
  async removeChunks(): Promise<void> {
    await Promise.all(this.#free.map(({ path }) => rm(path, { force: true })));
  }

  /** Ends what the engines still do, and closes them. */
  async close(): Promise<void> {
    // Engines that could not be opened are closed already; whoever needed one was told why.
    const engines = await this.#engines.catch(() => []);
    await Promise.all(engines.map((engine) => engine.close()));
  }

  async #write(
    engine: Engine,
    plan: TablePlan,
    source: ChunkSource,
    path: string,
  ): Promise<ParquetExtent> {
    const name = plan.table.name;
    const known = () => this.#escapes.get(name) ?? commonEscapes;
    const write = () => writeParquet(engine, chunkQuery(plan, source, known()), path, keyOf(plan));
    try {
      try {
        return await write();
      } catch (error) {
        if (!errorMessage(error).includes(otherEscapesMarker)) throw error;
        const found = await findEscapes(engine, plan, source);
        this.#escapes.set(name, [...new Set([...known(), ...found])]);
        return await write();
      }
    } catch (error) {
      throw await explain(error, engine, plan, source);
    }
  }

  async #withEngine<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    await this.#engines;
    const engine =
      this.#idle.pop() ??
      (await new Promise<Engine>((resolve) => {
        this.#waiting.push(resolve);
      }));
    try {
      return await work(engine);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(engine);
      else next(engine);
    }
  }
}

async function findEscapes(engine: Engine, plan: TablePlan, source: ChunkSource): Promise<Escapes> {
  const [row = {}] = await engine.rows<Record<string, boolean>>(escapesQuery(plan, source));
  return allEscapes.filter((_, index) => row[`escape${index}`] === true);
}

const keyOf = ({ table, columns }: TablePlan): ParquetColumn[] =>
  table.primaryKey.flatMap((key) =>
    columns
      .filter(({ name }) => name === key)
      .map(({ name, mapping }) => ({ name, type: mapping.engineType })),
  );

/** Tells a value that does not fit its column from any other failure of the engine. */
async function explain(
  error: unknown,
  engine: Engine,
  plan: TablePlan,
  source: ChunkSource,
): Promise<unknown> {
  if (!isOperatorError(error) || error.code !== 'ENGINE_FAILED') return error;
  const [row = {}] = await engine.rows<Record<string, boolean>>(fitsQuery(plan, source));
  const unfit = plan.columns.filter((_, index) => row[`fits${index}`] === false);
  return unfit.length === 0 ? error : new Unfit(unfit.map(({ name }) => name));
}

export const countMismatch = (table: string, sent: number, kept: number) =>
  failed(
    'EXTRACT_COUNT_MISMATCH',
    `The database sent ${sent} rows of table "${table}", but ${kept} arrived in Parquet.`,
    { hint: 'Nothing was published. Run it again; if it happens twice, report it as a bug.' },
  );

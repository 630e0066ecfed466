import { rm } from 'node:fs/promises';
import type { RowFile } from '../../database/row-file.js';
import { describeParquet, writeParquet } from '../../engine/parquet.js';
import type { Engine } from '../../engine/session.js';
import { otherEscapesMarker } from '../../engine/types.js';
import type { DraftFile } from '../../lake/publish.js';
import { errorMessage, failed, isOperatorError } from '../../system/errors.js';
import { type ChunkSource, chunkQuery, emptyQuery, fitsQuery, type TablePlan } from './plan.js';

/** Values were found that the planned type of these columns cannot hold. */
export class Unfit extends Error {
  override readonly name = 'Unfit';
  constructor(readonly columns: readonly string[]) {
    super(`Values of ${columns.join(', ')} do not fit the planned types.`);
  }
}

/** Turns chunks of COPY text into Parquet files, one at a time, whoever asks. */
export class Converter {
  readonly #engine: Engine;
  /** Tables whose texts hold other escapes than line ends. */
  readonly #escaped = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Converts a chunk and removes it.
   *
   * @throws Unfit; EXTRACT_COUNT_MISMATCH when rows were lost on the way
   */
  convert(plan: TablePlan, chunk: RowFile, path: string): Promise<DraftFile> {
    return this.#inTurn(async () => {
      await chunk.finish();
      const source = { path: chunk.path, longestRow: chunk.longest };
      await this.#write(plan, source, path);
      await rm(chunk.path);
      const file = await this.#describe(plan, path);
      if (file.rows !== chunk.rows) throw countMismatch(plan.table.name, chunk.rows, file.rows);
      return file;
    });
  }

  /** Writes a file of no rows. */
  empty(plan: TablePlan, path: string): Promise<DraftFile> {
    return this.#inTurn(async () => {
      await writeParquet(this.#engine, emptyQuery(plan), path, parquetOptions);
      return this.#describe(plan, path);
    });
  }

  async #write(plan: TablePlan, source: ChunkSource, path: string): Promise<void> {
    const name = plan.table.name;
    const escapes = this.#escaped.has(name) ? 'all' : 'line-ends';
    try {
      await writeParquet(this.#engine, chunkQuery(plan, source, escapes), path, parquetOptions);
    } catch (error) {
      if (escapes === 'all' || !errorMessage(error).includes(otherEscapesMarker)) {
        throw await this.#explain(error, plan, source);
      }
      this.#escaped.add(name);
      await this.#write(plan, source, path);
    }
  }

  async #describe(plan: TablePlan, path: string): Promise<DraftFile> {
    const { rows, ranges } = await describeParquet(this.#engine, path, plan.table.primaryKey);
    return { path, rows, ranges };
  }

  /** Tells a value that does not fit its column from any other failure of the engine. */
  async #explain(error: unknown, plan: TablePlan, source: ChunkSource): Promise<unknown> {
    if (!isOperatorError(error) || error.code !== 'ENGINE_FAILED') return error;
    const [row = {}] = await this.#engine.rows<Record<string, boolean>>(fitsQuery(plan, source));
    const unfit = plan.columns.filter((_, index) => row[`fits${index}`] === false);
    return unfit.length === 0 ? error : new Unfit(unfit.map(({ name }) => name));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    // The next in turn does not care how this one ended; whoever asked for it does.
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/**
 * The fastest level: bronze is written in step with the database's sending, and read once or
 * twice. A higher one takes half as long again for files a seventh smaller.
 */
const parquetOptions = { compressionLevel: 1 };

export const countMismatch = (table: string, sent: number, kept: number) =>
  failed(
    'EXTRACT_COUNT_MISMATCH',
    `The database sent ${sent} rows of table "${table}", but ${kept} arrived in Parquet.`,
    { hint: 'Nothing was published. Run it again; if it happens twice, report it as a bug.' },
  );

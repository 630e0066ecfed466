import { join } from 'node:path';
import { describeQuery, writeParquet, writeParquetParts } from '../engine/parquet.js';
import type { Engine } from '../engine/session.js';
import type { DraftTable } from '../lake/publish.js';

/**
 * Decoded size of one file of a large table: small enough that a load can prepare the next file
 * while it sends one, large enough that a table of 10 million rows has some fifty files.
 */
const layerFileSize = '64MB';

/** Writes what a query gives, now and again later, as the files of one table, ready to publish. */
export class TableWriter {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #select: string;
  readonly #directory: string;
  readonly #rangeColumns: readonly string[];
  readonly #files: DraftTable['files'] = [];
  #columns: DraftTable['columns'] | undefined;
  #times = 0;

  /** The files tell between which values of `rangeColumns` they are. */
  constructor(
    engine: Engine,
    table: { name: string; select: string; rangeColumns?: readonly string[] },
    scratch: string,
  ) {
    this.#engine = engine;
    this.#name = table.name;
    this.#select = table.select;
    this.#rangeColumns = table.rangeColumns ?? [];
    this.#directory = join(scratch, 'out', table.name);
  }

  /** Adds the rows that the query has now. */
  async write(): Promise<void> {
    const directory = join(this.#directory, String(this.#times));
    this.#times += 1;
    const written = await writeParquetParts(this.#engine, this.#select, directory, {
      fileSize: layerFileSize,
      rangeColumns: await this.#ranged(),
    });
    this.#files.push(...written.map(({ path, rows, ranges }) => ({ path, rows, ranges })));
  }

  /** The table with all that was written, in one empty file if that is nothing. */
  async finish(): Promise<DraftTable> {
    if (this.#files.length === 0) {
      const path = join(this.#directory, 'empty.parquet');
      const select = `SELECT * FROM (${this.#select}) WHERE false`;
      const { rows, ranges } = await writeParquet(this.#engine, select, path, await this.#ranged());
      this.#files.push({ path, rows, ranges });
    }
    return { name: this.#name, columns: this.#columns ?? [], files: this.#files };
  }

  async #ranged(): Promise<DraftTable['columns']> {
    this.#columns ??= await describeQuery(this.#engine, this.#select);
    return this.#columns.filter(({ name }) => this.#rangeColumns.includes(name));
  }
}

import { join } from 'node:path';
import type { DatabaseClient } from '../../database/client.js';
import type { Snapshot } from '../../database/snapshot.js';
import type { DraftFile, DraftTable } from '../../lake/publish.js';
import type { StageContext } from '../stage.js';
import { type Converter, Unfit } from './converter.js';
import { cutTable, type Piece, type TablePlan } from './plan.js';
import { TableProgress } from './progress.js';
import { type CopiedPiece, copyPiece } from './table-copy.js';

export interface RoundContext {
  stage: StageContext;
  snapshot: Snapshot;
  converter: Converter;
  /** Directory for the finished files of this round alone. */
  directory: string;
  chunkBytes: number;
  /** Ends the work of all connections, with this error as the reason. */
  stop: (error: unknown) => void;
}

export interface RoundResult {
  tables: DraftTable[];
  /** Columns whose values do not fit the planned type, by table: those tables are not done. */
  unfit: Map<TablePlan, string[]>;
}

/** Pieces of a table for each connection at most, so that none idles long at the end. */
const piecesPerConnection = 4;
/** A piece should fill some chunks: its last one is smaller than the others. */
const chunksPerPiece = 4;
/** With fewer bytes for each connection, pieces are smaller than that, but not than this. */
const leastPieceBytes = 8 * 1024 * 1024;

/** Copies the tables, largest pieces first, over as many connections as are configured. */
export async function copyRound(
  context: RoundContext,
  plans: readonly TablePlan[],
): Promise<RoundResult> {
  const round = new Round(context, plans);
  await round.run();
  return round.result();
}

interface TableState {
  plan: TablePlan;
  pieces: Piece[];
  progress: TableProgress;
  /** By index of the piece. */
  files: DraftFile[][];
  unfit: string[];
}

/** Notes the columns that do not fit; any other error is thrown. */
function takeUnfit(table: TableState, error: unknown): void {
  if (!(error instanceof Unfit)) throw error;
  table.unfit.push(...error.columns);
}

class Round {
  readonly #context: RoundContext;
  readonly #tables: TableState[];
  readonly #connections: number;
  #failure: { error: unknown } | undefined;

  constructor(context: RoundContext, plans: readonly TablePlan[]) {
    this.#context = context;
    this.#connections = context.stage.config.pipeline.parallelism;
    const stored = plans.flatMap(({ table }) => table.stored);
    const share = stored.reduce((sum, { bytes }) => sum + bytes, 0) / (this.#connections * 2);
    const limits = {
      bytes: Math.min(context.chunkBytes * chunksPerPiece, Math.max(share, leastPieceBytes)),
      count: this.#connections === 1 ? 1 : this.#connections * piecesPerConnection,
    };
    this.#tables = plans.map((plan) => {
      const pieces = cutTable(plan, limits);
      const progress = new TableProgress(plan, pieces.length, context.stage.report);
      return { plan, pieces, progress, files: [], unfit: [] };
    });
  }

  async run(): Promise<void> {
    const queue = this.#tables
      .flatMap((table) => table.pieces.map((piece) => ({ table, piece })))
      .sort((a, b) => b.piece.bytes - a.piece.bytes);
    const next = queue.values();
    const readers = Array.from({ length: Math.min(this.#connections, queue.length) }, () =>
      this.#context.snapshot.openReader(),
    );
    await Promise.all(
      readers.map((reader) =>
        this.#work(reader, next).catch((error: unknown) => this.#fail(error)),
      ),
    );
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async result(): Promise<RoundResult> {
    const unfit = this.#tables.filter((table) => table.unfit.length > 0);
    const fit = this.#tables.filter((table) => table.unfit.length === 0);
    return {
      tables: await Promise.all(fit.map((table, index) => this.#draft(table, index))),
      unfit: new Map(unfit.map((table) => [table.plan, table.unfit])),
    };
  }

  /**
   * Copies one piece after the other; what arrived is converted meanwhile. Of a large piece only the
   * last chunks are left by then; small ones may wait together, up to the size of a chunk.
   */
  async #work(
    reader: Promise<DatabaseClient>,
    queue: IterableIterator<{ table: TableState; piece: Piece }>,
  ): Promise<void> {
    let client: DatabaseClient | undefined = await reader;
    const unfinished: { bytes: number; finished: Promise<void> }[] = [];
    let waiting = 0;
    const finishOne = async () => {
      const first = unfinished.shift();
      waiting -= first?.bytes ?? 0;
      await first?.finished;
    };
    try {
      for (const { table, piece } of queue) {
        if (this.#failure !== undefined) break;
        if (table.unfit.length > 0) continue;
        client ??= await this.#context.snapshot.openReader();
        const copied = await this.#copy(client, table, piece);
        if (copied === undefined) {
          await client.close();
          client = undefined;
          continue;
        }
        const finished = this.#finish(table, piece, copied);
        // Awaited with a later piece.
        finished.catch(() => undefined);
        unfinished.push({ bytes: copied.bytes, finished });
        waiting += copied.bytes;
        // The chunks on disk stay few.
        while (unfinished.length > 1 && waiting > this.#context.chunkBytes) await finishOne();
      }
      while (unfinished.length > 0) await finishOne();
    } finally {
      await Promise.allSettled(unfinished.map(({ finished }) => finished));
      await client?.close();
    }
  }

  /** Undefined when the table has to be planned anew; the connection is not usable then. */
  async #copy(
    client: DatabaseClient,
    table: TableState,
    piece: Piece,
  ): Promise<CopiedPiece | undefined> {
    const { converter, directory, chunkBytes } = this.#context;
    table.progress.start();
    try {
      return await copyPiece(client, piece, {
        converter,
        directory,
        chunkBytes,
        onRows: (rows) => table.progress.add(rows),
        onFailure: (error) => {
          if (!(error instanceof Unfit)) this.#fail(error);
        },
      });
    } catch (error) {
      takeUnfit(table, error);
      return undefined;
    }
  }

  async #finish(table: TableState, piece: Piece, copied: CopiedPiece): Promise<void> {
    try {
      table.files[piece.index] = await copied.files;
    } catch (error) {
      takeUnfit(table, error);
      return;
    }
    const seconds = table.progress.finishPiece();
    if (seconds !== undefined) {
      const { name } = table.plan.table;
      const { log } = this.#context.stage;
      log.info({ table: name, rows: table.progress.rows, seconds }, 'table extracted');
    }
  }

  /** The first failure is the cause; those that follow from it are not reported. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#context.stop(error);
  }

  async #draft({ plan, files }: TableState, index: number): Promise<DraftTable> {
    const found = files.flat();
    return {
      name: plan.table.name,
      columns: plan.columns.map(({ name, mapping }) => ({ name, type: mapping.engineType })),
      files:
        found.length > 0
          ? found
          : [
              await this.#context.converter.empty(
                plan,
                join(this.#context.directory, `empty-${index}.parquet`),
              ),
            ],
    };
  }
}

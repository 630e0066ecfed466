import type { DuckDBConnection } from '@duckdb/node-api';
import {
  errorCode,
  errorMessage,
  failed,
  interrupted,
  isOperatorError,
  throwIfAborted,
} from '../system/errors.js';
import { ChunkReader } from './chunk.js';
import { type CopyField, type CopyPiece, CopyWriter, copyQuery } from './copy-binary.js';

export interface EngineOptions {
  /** Such as `768MB`; larger work spills to `scratch`. */
  memoryLimit: string;
  threads: number;
  /** Directory for spilled data; removed by whoever made it. */
  scratch: string;
  signal: AbortSignal;
  /**
   * For work that is done piece after piece: what one held does not add to what the next takes. Costs
   * a tenth of the time.
   */
  inPieces?: boolean;
  /** A database file under `scratch` for intermediate tables; default in memory. */
  file?: string;
}

/** Memory that was freed goes back to the system soon; by itself the engine lets half a gigabyte wait. */
const frugal = {
  allocator_flush_threshold: '16MB',
  allocator_bulk_deallocation_flush_threshold: '16MB',
};

/** Values that can be bound to a statement. */
export type EngineValue = string | number | bigint | boolean | null;

/**
 * A DuckDB session with bounded memory. Statements are interrupted when the signal fires.
 * Errors are OperatorErrors: `ENGINE_OUT_OF_MEMORY`, `DISK_FULL`, `FILE_CORRUPT`,
 * `ENGINE_FAILED`, `INTERRUPTED`.
 */
export interface Engine {
  run(sql: string, values?: EngineValue[]): Promise<void>;
  /**
   * All rows of a small result. Integers beyond 2^53 come as bigint; decimals come as numbers and
   * times as Date, to the millisecond and never infinite: cast to VARCHAR what has to be exact.
   */
  rows<Row>(sql: string, values?: EngineValue[]): Promise<Row[]>;
  /** The rows of a large result, in batches of about 2,000, never all at once. */
  batches<Row>(sql: string): AsyncIterable<Row[]>;
  /**
   * The rows of `SELECT fields FROM from` in PostgreSQL's binary COPY format, without its header and
   * trailer, in pieces of about 1 MB, never all at once.
   */
  copyRows(fields: readonly CopyField[], from: string): AsyncIterable<CopyPiece>;
  /** Interrupts what still runs, waits for it to end, and frees the session. */
  close(): Promise<void>;
}

/** Quotes a string literal of the engine's SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * The path of one file that is read, as a literal: the readers of the engine take `*`, `?` and `[`
 * for patterns, and would read the files of others in its place.
 */
export const fileLiteral = (path: string): string => literal(path.replaceAll(/[[*?]/g, '[$&]'));

/** Quotes an identifier of the engine's SQL. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The native library takes a while to load: only commands that need it pay. */
const loadLibrary = () => import('@duckdb/node-api');

/** Begins to load the engine, for who will open a session soon and waits for something else now. */
export function loadEngine(): void {
  // Whoever opens a session is told of a failure.
  loadLibrary().catch(() => undefined);
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const [engine] = await openEngines(options, 1);
  if (engine === undefined) throw new Error('The query engine opened no session.');
  return engine;
}

/**
 * Sessions that share memory limit and threads, each of which runs its statements on a thread of its
 * own: `count` of them at most as many as there are threads. The memory is freed with the last of them.
 * Errors are those of a statement.
 */
export async function openEngines(options: EngineOptions, count: number): Promise<Engine[]> {
  const { DuckDBInstance: Instance } = await loadLibrary();
  throwIfAborted(options.signal);
  const instance = await Instance.create(options.file ?? ':memory:', {
    memory_limit: options.memoryLimit,
    // Whoever runs a statement works on it as one thread; these are one of those and all others.
    threads: String(options.threads - count + 1),
    temp_directory: options.scratch,
    preserve_insertion_order: 'false',
    // A file that took another's place within moments is read as the one before, or as a mixture.
    enable_external_file_cache: 'false',
    // Nothing is downloaded and no extension is loaded that is not in the package.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    ...(options.inPieces === true ? frugal : {}),
  });
  let open = count;
  const released = () => {
    open -= 1;
    if (open === 0) instance.closeSync();
  };
  const connections = await Promise.all(Array.from({ length: count }, () => instance.connect()));
  const sessions = connections.map((one) => new EngineSession(one, released, options));
  try {
    await Promise.all(sessions.map((session) => session.run("SET TimeZone = 'UTC'")));
    return sessions;
  } catch (error) {
    await Promise.all(sessions.map((session) => session.close()));
    throw error;
  }
}

const interruptAgainMilliseconds = 50;

class EngineSession implements Engine {
  readonly #connection: DuckDBConnection;
  readonly #options: EngineOptions;
  readonly #interrupt: () => void;
  readonly #running = new Set<Promise<unknown>>();

  readonly #released: () => void;

  /** `released` is called once the session is closed. */
  constructor(connection: DuckDBConnection, released: () => void, options: EngineOptions) {
    this.#connection = connection;
    this.#released = released;
    this.#options = options;
    this.#interrupt = () => {
      connection.interrupt();
      // An interruption is lost on a statement that is only about to start: say it again.
      if (this.#running.size > 0) setTimeout(this.#interrupt, interruptAgainMilliseconds).unref();
    };
    options.signal.addEventListener('abort', this.#interrupt);
  }

  async run(sql: string, values?: EngineValue[]): Promise<void> {
    await this.#guard(() => this.#connection.run(sql, values));
  }

  async rows<Row>(sql: string, values?: EngineValue[]): Promise<Row[]> {
    const rows = await this.#guard(async () => {
      const reader = await this.#connection.runAndReadAll(sql, values);
      return reader.getRowObjectsJS();
    });
    return rows.map((row) => plainRow(row)) as Row[];
  }

  async *batches<Row>(sql: string): AsyncIterable<Row[]> {
    const result = await this.#guard(() => this.#connection.stream(sql));
    const iterator = result.yieldRowObjectJs();
    let seen = 0;
    for (;;) {
      const next = await this.#guard(() => iterator.next());
      if (next.done === true) break;
      seen += next.value.length;
      yield next.value.map((row) => plainRow(row)) as Row[];
    }
    await this.#requireComplete(sql, seen);
  }

  async *copyRows(fields: readonly CopyField[], from: string): AsyncIterable<CopyPiece> {
    const sql = copyQuery(fields, from);
    const writer = new CopyWriter(fields);
    const { default: memory } = await import('@duckdb/node-bindings');
    const result = await this.#guard(() => this.#connection.stream(sql));
    const fetch = () => {
      const fetched = this.#guard(() => result.fetchChunk());
      // It may fail while the reader is busy with the chunk before; the reader is told next.
      fetched.catch(() => undefined);
      return fetched;
    };
    let seen = 0;
    let next = fetch();
    try {
      for (;;) {
        const chunk = await next;
        if (chunk === null || chunk.rowCount === 0) break;
        // The engine works on the next chunk while this one is written.
        next = fetch();
        seen += chunk.rowCount;
        yield* writer.pieces(new ChunkReader(memory, chunk));
      }
    } finally {
      // When the reader goes away early, how this ends no longer matters.
      await next.catch(() => undefined);
    }
    await this.#requireComplete(sql, seen);
  }

  /**
   * The driver ends a stream whose query failed as if it were complete: only the number of rows
   * tells. The count leaves out what the failing expression computes.
   */
  async #requireComplete(sql: string, seen: number): Promise<void> {
    const [counted] = await this.rows<{ rows: number }>(`SELECT count(*) AS rows FROM (${sql})`);
    if (counted?.rows === seen) return;
    // Runs to the same failure, and says what it is.
    await this.run(`EXPLAIN ANALYZE ${sql}`);
    throw failed(
      'ENGINE_FAILED',
      `The query engine gave ${seen} of ${counted?.rows ?? 0} rows and did not say why.`,
      { hint: 'Run it again; if it happens twice, report it as a bug.' },
    );
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#interrupt);
    // Freeing a session under a running statement would end the process.
    this.#interrupt();
    await Promise.allSettled(this.#running);
    this.#connection.closeSync();
    this.#released();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    throwIfAborted(this.#options.signal);
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw describeEngineError(error, this.#options);
    } finally {
      this.#running.delete(running);
    }
  }
}

/** Integers that fit become numbers; the driver gives every BIGINT as a bigint. */
function plainRow(row: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    plain[name] =
      typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  return plain;
}

function describeEngineError(error: unknown, options: EngineOptions): unknown {
  if (options.signal.aborted) {
    return isOperatorError(options.signal.reason) ? options.signal.reason : interrupted();
  }
  // Without the lines of SQL that the engine quotes below its message: they say nothing to an operator.
  const message = errorMessage(error).replace(/\s*\n\s*LINE \d+: [\s\S]*$/, '');
  if (
    /No space left on device|Disk quota exceeded/i.test(message) ||
    errorCode(error) === 'ENOSPC'
  ) {
    return failed('DISK_FULL', `No space is left on the disk that holds ${options.scratch}.`, {
      hint: 'Free space there (df -h), or choose another place with --home, then run it again.',
      cause: error,
    });
  }
  if (/^Out of Memory Error/i.test(message)) {
    return failed(
      'ENGINE_OUT_OF_MEMORY',
      `The query engine needs more than its limit of ${options.memoryLimit}.`,
      { hint: 'Raise pipeline.memoryLimit, or lower pipeline.threads.', cause: error },
    );
  }
  const corrupt = /(?:file|reading) ['"]([^'"]+\.parquet)['"]/i.exec(message);
  if (
    corrupt !== null &&
    /Invalid Input|IO Error|Serialization|snappy|zstd|footer|magic/i.test(message)
  ) {
    return failed('FILE_CORRUPT', `The Parquet file ${corrupt[1]} cannot be read: ${message}`, {
      hint: '`reviewops batch verify` names the damaged files; rerun the stage that wrote them.',
      cause: error,
    });
  }
  return failed('ENGINE_FAILED', `The query engine failed: ${message}`, { cause: error });
}

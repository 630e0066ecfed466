import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, failed, invalid } from '../../system/errors.js';
import { describeFileError, makeDirectory, syncDirectory } from '../../system/files.js';
import { redactDeep } from '../../system/redact.js';
import type { Json } from './definition.js';
import type { JournalEntry, RunEvent } from './events.js';
import { canonicalJson } from './plan.js';

export const runsDirectory = (home: string): string => join(home, 'runs');

const runIdPattern = /^run_\d{8}_\d{6}_[0-9a-f]{6}$/;
export const isRunId = (text: string): boolean => runIdPattern.test(text);

/** @throws RUN_NOT_FOUND (exit 2) for what cannot be a run's id */
export function journalPath(home: string, runId: string): string {
  if (!isRunId(runId)) throw runNotFound(runId);
  return join(runsDirectory(home), `${runId}.jsonl`);
}

const noHash = '0'.repeat(64);

/** Events that must be on disk before what follows them happens. */
const durable: ReadonlySet<RunEvent['type']> = new Set([
  'run.started',
  'run.resumed',
  'plan.made',
  'approval.given',
  'manual.recorded',
  'act.started',
  'act.undoing',
  'act.undone',
  'run.finished',
]);

/**
 * The journal of one run: a local file to which entries are only appended, each with the hash of
 * the one before, so that a missing or changed entry shows. It works while the database is down.
 * Everything is redacted before it is written.
 */
export class Journal {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #now: () => Date;
  #bytes: number;
  #seq: number;
  #prev: string;

  private constructor(
    handle: FileHandle,
    path: string,
    now: () => Date,
    from: { bytes: number; last?: JournalEntry | undefined },
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#now = now;
    this.#bytes = from.bytes;
    this.#seq = from.last === undefined ? 0 : from.last.seq + 1;
    this.#prev = from.last?.hash ?? noHash;
  }

  /** Starts the journal of a new run; the file must not exist. */
  static async create(home: string, runId: string, now: () => Date): Promise<Journal> {
    const path = journalPath(home, runId);
    try {
      await makeDirectory(dirname(path), 0o700);
      const handle = await open(path, 'ax', 0o600);
      await syncDirectory(dirname(path));
      return new Journal(handle, path, now, { bytes: 0 });
    } catch (error) {
      throw describeFileError(error, path);
    }
  }

  /**
   * Opens the journal of a run to go on with it; a last line cut short by a crash is dropped. Only
   * for who holds the run.
   */
  static async resume(
    home: string,
    runId: string,
    now: () => Date,
  ): Promise<{ journal: Journal; entries: JournalEntry[] }> {
    const path = journalPath(home, runId);
    const { entries, wholeBytes: bytes } = await readJournal(home, runId);
    try {
      const handle = await open(path, constants.O_WRONLY | constants.O_APPEND);
      await handle.truncate(bytes);
      return { journal: new Journal(handle, path, now, { bytes, last: entries.at(-1) }), entries };
    } catch (error) {
      throw describeFileError(error, path);
    }
  }

  /**
   * Appends an event; resolves when it is on disk for those that must be. An act's start and end
   * are: its effect must never be unknown to the journal.
   */
  async append(event: RunEvent): Promise<JournalEntry> {
    const clean = storable(redactDeep(event)) as RunEvent;
    const body = { seq: this.#seq, at: this.#now().toISOString(), event: clean, prev: this.#prev };
    const entry: JournalEntry = { ...body, hash: entryHash(body) };
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      await this.#handle.appendFile(line);
      if (mustLast(event)) await this.#handle.datasync();
    } catch (error) {
      // Half a line would damage the entry that follows it.
      await this.#handle.truncate(this.#bytes);
      throw describeFileError(error, this.#path);
    }
    this.#bytes += line.length;
    this.#seq += 1;
    this.#prev = entry.hash;
    return entry;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const mustLast = (event: RunEvent): boolean =>
  durable.has(event.type) || (event.type === 'step.finished' && event.result.kind === 'act');

/** What PostgreSQL's jsonb cannot hold: NUL, and halves of surrogate pairs. */
const unstorable = /\0|\p{Surrogate}/gu;

/** What JSON makes of the value, with every text such that the database can hold it. */
const storable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, entry: unknown) =>
      typeof entry === 'string' ? entry.replace(unstorable, '\ufffd') : entry,
    ),
  );

const entryHash = (body: Omit<JournalEntry, 'hash'>): string =>
  createHash('sha256')
    .update(canonicalJson(body as unknown as Json))
    .digest('hex');

/**
 * Reads a journal and checks its chain.
 *
 * @throws RUN_NOT_FOUND (exit 2); JOURNAL_BROKEN (exit 1), naming the first entry that does not fit
 */
export async function readJournal(
  home: string,
  runId: string,
): Promise<{ entries: JournalEntry[]; wholeBytes: number }> {
  const path = journalPath(home, runId);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw errorCode(error) === 'ENOENT' ? runNotFound(runId) : describeFileError(error, path);
  });
  // What follows the last line end was being written when the power went.
  const wholeBytes = bytes.lastIndexOf('\n') + 1;
  const lines = bytes.toString('utf8', 0, wholeBytes).split('\n').slice(0, -1);
  const entries = lines.map(parseEntry);
  const broken = firstBroken(entries);
  if (broken !== undefined) {
    throw failed(
      'JOURNAL_BROKEN',
      `Entry ${broken + 1} of the journal ${path} does not fit the one before.`,
      {
        hint: 'An entry was edited, removed or reordered. Keep the file as evidence; this run cannot be resumed.',
      },
    );
  }
  return { entries: entries as JournalEntry[], wholeBytes };
}

/** Position of the first entry that breaks the chain; undefined when it is whole. */
export function firstBroken(entries: readonly (JournalEntry | undefined)[]): number | undefined {
  let prev = noHash;
  for (const [seq, entry] of entries.entries()) {
    if (entry === undefined || entry.seq !== seq || entry.prev !== prev) return seq;
    if (entry.hash !== entryHash({ seq, at: entry.at, event: entry.event, prev })) return seq;
    prev = entry.hash;
  }
  return undefined;
}

/** @throws RUN_NOT_FOUND (exit 2) */
export async function requireRun(home: string, runId: string): Promise<void> {
  const path = journalPath(home, runId);
  await access(path).catch((error: unknown) => {
    throw errorCode(error) === 'ENOENT' ? runNotFound(runId) : describeFileError(error, path);
  });
}

const runNotFound = (runId: string) =>
  invalid('RUN_NOT_FOUND', `There is no run "${runId}".`, {
    hint: '`reviewops runbook history` lists the runs.',
  });

function parseEntry(line: string): JournalEntry | undefined {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    // Reported by the caller, with the entry's number.
    return undefined;
  }
}

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, failed, invalid } from '../../system/errors.js';
import { describeFileError, makeDirectory, syncDirectory } from '../../system/files.js';
import { redactDeep } from '../../system/redact.js';
import type { Json } from './definition.js';
import type { JournalEntry, RunEvent } from './events.js';
import { canonicalJson } from './plan.js';

export const runsDirectory = (home: string): string => join(home, 'runs');
export const journalPath = (home: string, runId: string): string =>
  join(runsDirectory(home), `${runId}.jsonl`);

const noHash = '0'.repeat(64);

/** Events that must be on disk before what follows them happens. */
const durable: ReadonlySet<RunEvent['type']> = new Set([
  'run.started',
  'run.resumed',
  'plan.made',
  'approval.given',
  'manual.recorded',
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
  #seq: number;
  #prev: string;

  private constructor(handle: FileHandle, path: string, now: () => Date, last?: JournalEntry) {
    this.#handle = handle;
    this.#path = path;
    this.#now = now;
    this.#seq = last === undefined ? 0 : last.seq + 1;
    this.#prev = last?.hash ?? noHash;
  }

  /** Starts the journal of a new run; the file must not exist. */
  static async create(home: string, runId: string, now: () => Date): Promise<Journal> {
    const path = journalPath(home, runId);
    try {
      await makeDirectory(dirname(path), 0o700);
      const handle = await open(path, 'ax', 0o600);
      await syncDirectory(dirname(path));
      return new Journal(handle, path, now);
    } catch (error) {
      throw describeFileError(error, path);
    }
  }

  /** Opens the journal of a run to go on with it; a last line cut short by a crash is dropped. */
  static async resume(
    home: string,
    runId: string,
    now: () => Date,
  ): Promise<{ journal: Journal; entries: JournalEntry[] }> {
    const path = journalPath(home, runId);
    const { entries, wholeBytes } = await readJournal(home, runId);
    const handle = await open(path, constants.O_WRONLY | constants.O_APPEND);
    await handle.truncate(wholeBytes);
    return { journal: new Journal(handle, path, now, entries.at(-1)), entries };
  }

  /**
   * Appends an event; resolves when it is on disk for those that must be. An act's start and end
   * are: its effect must never be unknown to the journal.
   */
  async append(event: RunEvent, options: { durable?: boolean } = {}): Promise<JournalEntry> {
    const clean = redactDeep(event) as RunEvent;
    const body = { seq: this.#seq, at: this.#now().toISOString(), event: clean, prev: this.#prev };
    const entry: JournalEntry = { ...body, hash: entryHash(body) };
    try {
      await this.#handle.appendFile(`${JSON.stringify(entry)}\n`);
      if (options.durable === true || durable.has(event.type)) await this.#handle.datasync();
    } catch (error) {
      throw describeFileError(error, this.#path);
    }
    this.#seq += 1;
    this.#prev = entry.hash;
    return entry;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const entryHash = (body: Omit<JournalEntry, 'hash'>): string =>
  createHash('sha256')
    .update(canonicalJson(JSON.parse(JSON.stringify(body)) as Json))
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
    if (errorCode(error) !== 'ENOENT') throw describeFileError(error, path);
    throw invalid('RUN_NOT_FOUND', `There is no run "${runId}".`, {
      hint: '`reviewops runbook history` lists the runs.',
    });
  });
  // What follows the last line end was being written when the power went.
  const wholeBytes = bytes.lastIndexOf('\n') + 1;
  const entries: JournalEntry[] = [];
  let prev = noHash;
  for (const [index, line] of bytes.toString('utf8', 0, wholeBytes).split('\n').entries()) {
    if (line === '') continue;
    const entry = parseEntry(line);
    const fits =
      entry !== undefined &&
      entry.seq === index &&
      entry.prev === prev &&
      entry.hash === entryHash({ seq: entry.seq, at: entry.at, event: entry.event, prev });
    if (!fits) {
      throw failed('JOURNAL_BROKEN', `Entry ${index + 1} of the journal ${path} was changed.`, {
        hint: 'An entry was edited, removed or reordered. Keep the file as evidence; this run cannot be resumed.',
      });
    }
    entries.push(entry);
    prev = entry.hash;
  }
  return { entries, wholeBytes };
}

function parseEntry(line: string): JournalEntry | undefined {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    // Reported by the caller, with the entry's number.
    return undefined;
  }
}

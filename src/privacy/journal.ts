import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Workspace } from '../lake/workspace.js';
import { errorCode, failed } from '../system/errors.js';
import { describeFileError, makeDirectory, syncDirectory } from '../system/files.js';

const privacyDirectory = (home: string): string => join(home, 'privacy');
export const journalPath = (home: string): string => join(privacyDirectory(home), 'journal.jsonl');

/** What happened, without any identifier. */
export interface PrivacyEvent {
  type: string;
  requestIds?: string[];
  runId?: string;
  [detail: string]: unknown;
}

export interface PrivacyEntry {
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  event: PrivacyEvent;
  /** Hash of the entry before; 64 zeros for the first. */
  prev: string;
  /** SHA-256 over seq, at, event and prev. */
  hash: string;
}

export interface JournalHead {
  /** Number of entries. */
  entries: number;
  hash: string;
}

const noHash = '0'.repeat(64);

const hashOf = ({ seq, at, event, prev }: Omit<PrivacyEntry, 'hash'>): string =>
  createHash('sha256')
    .update(JSON.stringify([seq, at, event, prev]))
    .digest('hex');

/**
 * The journal of all erasures of a state directory: one file to which entries are only appended,
 * each with the hash of the one before. An entry is on disk before what it announces happens.
 * Several processes may write; they take turns.
 */
export class PrivacyJournal {
  readonly #path: string;
  readonly #home: string;
  readonly #workspace: Workspace;
  readonly #now: () => Date;
  #known = { bytes: -1, seq: 0, prev: noHash };

  constructor(home: string, now: () => Date) {
    this.#home = home;
    this.#path = journalPath(home);
    this.#now = now;
    this.#workspace = new Workspace(join(privacyDirectory(home), '.tmp'));
  }

  /** Appends events; resolves when they are on disk. */
  async append(...events: PrivacyEvent[]): Promise<JournalHead> {
    try {
      await makeDirectory(privacyDirectory(this.#home), 0o700);
      await this.#workspace.prepare();
      return await this.#workspace.withLock('journal', () => this.#write(events));
    } catch (error) {
      throw describeFileError(error, this.#path);
    }
  }

  async #write(events: readonly PrivacyEvent[]): Promise<JournalHead> {
    const handle = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const { size } = await handle.stat();
      if (size !== this.#known.bytes) {
        const { entries, wholeBytes } = parse(await handle.readFile());
        const last = entries.at(-1);
        // What follows the last line end was being written when the power went.
        if (wholeBytes < size) await handle.truncate(wholeBytes);
        this.#known = { bytes: wholeBytes, seq: entries.length, prev: last?.hash ?? noHash };
      }
      let { seq, prev } = this.#known;
      const at = this.#now().toISOString();
      const lines = events.map((event) => {
        const body = { seq, at, event, prev };
        prev = hashOf(body);
        seq += 1;
        return `${JSON.stringify({ ...body, hash: prev })}\n`;
      });
      const bytes = Buffer.from(lines.join(''));
      await handle.write(bytes, 0, bytes.length, this.#known.bytes);
      await handle.datasync();
      if (this.#known.bytes === 0) await syncDirectory(privacyDirectory(this.#home));
      this.#known = { bytes: this.#known.bytes + bytes.length, seq, prev };
      return { entries: seq, hash: prev };
    } finally {
      await handle.close();
    }
  }
}

function parse(bytes: Buffer): { entries: PrivacyEntry[]; wholeBytes: number } {
  const wholeBytes = bytes.lastIndexOf('\n') + 1;
  const lines = bytes.toString('utf8', 0, wholeBytes).split('\n').slice(0, -1);
  return { entries: lines.map(parseLine), wholeBytes };
}

const unreadable: PrivacyEntry = { seq: -1, at: '', event: { type: '' }, prev: '', hash: '' };

function parseLine(line: string): PrivacyEntry {
  try {
    return JSON.parse(line) as PrivacyEntry;
  } catch {
    // Found by the check of the chain, with its number.
    return unreadable;
  }
}

/** The entries as they are on disk, unchecked; empty when there is no journal yet. */
export async function readEntries(home: string): Promise<PrivacyEntry[]> {
  const bytes = await readFile(journalPath(home)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return Buffer.alloc(0);
    throw describeFileError(error, journalPath(home));
  });
  return parse(bytes).entries;
}

/** The first entry that does not fit the one before; undefined when the chain is whole. */
export function firstBroken(entries: readonly PrivacyEntry[]): number | undefined {
  let prev = noHash;
  for (const [seq, entry] of entries.entries()) {
    if (entry.seq !== seq || entry.prev !== prev || entry.hash !== hashOf(entry)) return seq;
    prev = entry.hash;
  }
  return undefined;
}

/** @throws PRIVACY_JOURNAL_BROKEN (exit 1) */
export function requireWhole(entries: readonly PrivacyEntry[], home: string): JournalHead {
  const broken = firstBroken(entries);
  if (broken !== undefined) {
    throw failed(
      'PRIVACY_JOURNAL_BROKEN',
      `Entry ${broken + 1} of ${journalPath(home)} does not fit the one before: an entry was edited, removed or moved.`,
      { hint: 'Keep the file as evidence, and compare it with a backup and with the anchors.' },
    );
  }
  return { entries: entries.length, hash: entries.at(-1)?.hash ?? noHash };
}

import { readFile } from 'node:fs/promises';
import { errorCode, failed } from '../system/errors.js';
import { describeFileError, writeFileAtomic } from '../system/files.js';
import {
  firstBroken,
  type JournalHead,
  journalPath,
  readEntries,
  requireWhole,
} from './journal.js';

/** A head of the journal, kept where whoever can change the journal cannot. */
export interface Anchor extends JournalHead {
  /** ISO 8601, UTC. */
  at: string;
}

export interface JournalFinding {
  entries: number;
  head: string;
  anchors: number;
  problems: string[];
}

/** Appends the present head to a file of anchors; earlier ones stay. */
export async function anchorToFile(home: string, path: string, now: () => Date): Promise<Anchor> {
  const head = requireWhole(await readEntries(home), home);
  const anchor = { ...head, at: now().toISOString() };
  const present = await readAnchors(path);
  await writeFileAtomic(path, anchorText([...present, anchor]));
  return anchor;
}

const anchorText = (anchors: readonly Anchor[]): string =>
  anchors.map((anchor) => `${JSON.stringify(anchor)}\n`).join('');

/** @throws ANCHOR_UNREADABLE (exit 1) */
export async function readAnchors(path: string): Promise<Anchor[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw describeFileError(error, path);
  });
  return parseAnchors(text, path);
}

/**
 * The anchors of a file of JSON lines; `place` names it in errors.
 *
 * @throws ANCHOR_UNREADABLE (exit 1)
 */
export function parseAnchors(text: string, place: string): Anchor[] {
  try {
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Anchor);
  } catch (cause) {
    throw failed('ANCHOR_UNREADABLE', `${place} holds no anchors.`, { cause });
  }
}

/**
 * Checks the journal by itself, and against heads that were anchored elsewhere: an edit, a removal
 * or another order breaks the chain; a journal that is shorter than an anchor was cut; one whose
 * chain is whole and passes no longer through an anchor was written anew as a whole.
 */
export async function verifyJournal(
  home: string,
  anchors: readonly Anchor[],
): Promise<JournalFinding> {
  const entries = await readEntries(home);
  const problems: string[] = [];
  const broken = firstBroken(entries);
  if (broken !== undefined) {
    problems.push(
      `Entry ${broken + 1} of ${journalPath(home)} does not fit the one before: edited, removed or moved.`,
    );
  }
  for (const { entries: count, hash, at } of anchors) {
    const last = entries[count - 1];
    if (count > 0 && last === undefined) {
      problems.push(
        `At ${at} the journal had ${count} entries; by now it has ${entries.length}: it was cut.`,
      );
    } else if (count > 0 && last?.hash !== hash) {
      problems.push(
        `Entry ${count} is not the one that was anchored at ${at}: the journal was written anew.`,
      );
    }
  }
  return {
    entries: entries.length,
    head: entries.at(-1)?.hash ?? '',
    anchors: anchors.length,
    problems,
  };
}

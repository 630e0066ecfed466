import { ExitCode } from '../system/errors.js';
import { redact, redactDeep } from '../system/redact.js';
import type { Failure } from './failure.js';
import { safeText } from './terminal.js';

/** Characters that JSON may hold raw and a terminal would obey. */
const steering = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One JSON document with a newline: redacted, and safe to print to a terminal. */
function jsonDocument(document: object): string {
  return `${safeJson(JSON.stringify(redactDeep(plain(document)), null, 2))}\n`;
}

/** A document on one line, for streams. */
export const jsonLine = (document: object): string =>
  `${safeJson(JSON.stringify(redactDeep(plain(document))))}\n`;

const safeJson = (text: string): string =>
  text.replace(steering, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** What JSON makes of the value; integers beyond its numbers become strings. */
const plain = (value: object): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, entry: unknown) =>
      typeof entry === 'bigint'
        ? Number.isSafeInteger(Number(entry))
          ? Number(entry)
          : String(entry)
        : entry,
    ),
  );

export const resultDocument = (status: number, result: object, warnings: string[]): string =>
  jsonDocument({ status, result, warnings });

export const errorDocument = ({ status, code, message, hint }: Failure): string =>
  jsonDocument({ status, error: { code, message, hint: hint ?? null } });

/** The result as text; always ends with a newline unless empty. */
export function resultText(text: string, color: boolean): string {
  const safe = safeText(redact(text), color);
  return safe === '' || safe.endsWith('\n') ? safe : `${safe}\n`;
}

/** A line for stderr. */
export const noteText = (text: string, color = false): string => resultText(text, color);

/**
 * Writes to stdout and waits until it is taken. A reader that has gone (`| head -1`) is no
 * failure: the work is done, and the status of the command stays what it is. Any other error (a
 * full disk behind a redirection) is one. Resolves with the status to exit with.
 */
export function writeResult(text: string, status: number): Promise<number> {
  if (text === '') return Promise.resolve(status);
  return new Promise((resolve) => {
    process.stdout.write(text, (error?: (Error & { code?: string }) | null) => {
      if (error === undefined || error === null || error.code === 'EPIPE') {
        resolve(status);
        return;
      }
      process.stderr.write(noteText(`error: The result could not be written: ${error.message}`));
      resolve(status === ExitCode.done ? ExitCode.failed : status);
    });
  });
}

/** Keeps a closed stdout or stderr from ending the work; errors are dealt with where text is written. */
export function surviveClosedStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => undefined);
  }
}

import type { Notice } from '../messages.js';

/** Hands a notice over. Sent twice under one key, the receiver can tell that it is one. */
export interface Sender {
  /** @throws SendFailure */
  send(notice: Notice, signal: AbortSignal): Promise<{ reference: string | null }>;
}

/** Secrets by the name of their variable. */
export type SecretLookup = (name: string) => string | undefined;

// Control characters, line breaks included, and the marks that reorder text on screen.
const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;

/** Text for one line, without anything that steers who shows it. */
export const oneLine = (text: string, longest = 500): string => {
  const line = text.replace(steering, ' ').trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`;
};

/** The same, with its lines kept. */
export const manyLines = (text: string): string =>
  text
    .split(/\r?\n/)
    .map((line) => oneLine(line, 2_000))
    .join('\n');

const ticketName = ({ incidentId, severity }: Notice): string =>
  `${severity} #${incidentId === 0 ? '(no number yet)' : incidentId}`;

/** `P1 #12: summary`. */
export const titleOf = (notice: Notice): string =>
  oneLine(`${ticketName(notice)}: ${notice.summary}`, 200);

/** What a person has to know, line by line. */
export function linesOf(notice: Notice): string[] {
  const { text, status, openedAt, respondBy, resolveBy, next, recipients } = notice;
  const lines = [
    text,
    `Status: ${status}; opened ${openedAt}`,
    respondBy === null ? '' : `Answer by ${respondBy}`,
    resolveBy === null ? '' : `Resolve by ${resolveBy}`,
    next === null ? '' : `Next: ${next}`,
    recipients.length === 0 ? '' : `For: ${recipients.map(({ name }) => name).join(', ')}`,
  ];
  return lines.filter((line) => line !== '').map((line) => oneLine(line, 1_000));
}

import { randomInt } from 'node:crypto';

/**
 * Letters and digits only: they mean the same in a URL, in `.pgpass`, in a shell, in JSON and in
 * every encoding of a server, and SASLprep leaves them as they are.
 */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** 48 of 62 characters: 285 bits. */
const length = 48;

export const generatePassword = (): string =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');

/** The forms in which a secret may turn up in a text: raw, and as programs encode it. */
export function secretForms(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  return [
    ...new Set([
      value,
      encodeURIComponent(value),
      bytes.toString('base64'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
      JSON.stringify(value).slice(1, -1),
    ]),
  ];
}

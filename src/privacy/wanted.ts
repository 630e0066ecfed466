import type { Key } from '../lake/lake.js';
import { runMetricsKey, usageHistoryKey } from '../lake/layout.js';
import { pseudonym } from '../pipeline/pseudonym.js';
import { mentionDomain } from './model.js';
import type { Needles } from './needles.js';
import { phoneTail } from './phone-texts.js';

/** Shorter texts are part of words that mean something else. */
const shortestMention = 6;

/** Shorter ids are words or parts of names by chance. */
const shortestPart = 5;

/** What names a person, in the forms in which texts are compared. */
export interface Wanted {
  /** Compared with whole values, lower case. */
  exact: string[];
  /** Looked for within texts, lower case. */
  within: string[];
  /** Of `exact`: ids, numbers and pseudonyms as they are; case tells them apart. */
  ids: string[];
  /** Of `exact`: e-mail addresses, lower case. */
  addresses: string[];
  /** Of `within`: e-mail addresses, lower case. */
  mentioned: string[];
  /** Of `within`: what has no upper and lower case. */
  numbers: string[];
  /** Ids that are looked for as words of texts; short ones are words that mean something else. */
  words: string[];
  /** Ends of telephone numbers, which texts may write in many ways. */
  phones: string[];
  /** What of the person cannot be looked for within texts, for people. */
  limits: string[];
}

/** Changes whenever `wantedOf` does. */
export const wantedSize = (needles: Needles): string =>
  ['customer', 'buyer', 'email', 'phone', mentionDomain]
    .map((domain) => needles.size(domain))
    .join();

/** What texts are searched for, from what is known of the people. Personal, pseudonyms included. */
export function wantedOf(needles: Needles, pseudonymKey: Uint8Array): Wanted {
  const given = ['customer', 'buyer'].flatMap((domain) => needles.of(domain));
  const emails = needles.of('email');
  // Addresses that were only found beside an id may be shared: they name the person within texts.
  const mentioned = [...emails, ...needles.of(mentionDomain)];
  const pseudonyms = needles.of('customer').map((id) => pseudonym(id, pseudonymKey));
  const distinct = (values: readonly string[]) => [...new Set(values)];
  const lower = (values: readonly string[]) => distinct(values.map((one) => one.toLowerCase()));
  const long = [...mentioned, ...pseudonyms].filter((text) => text.length >= shortestMention);
  const isAddress = (text: string) => text.includes('@');
  const numbers = [...needles.of('phone'), ...mentioned.filter((text) => !isAddress(text))];
  const tails = numbers.map(phoneTail);
  return {
    exact: lower([...given, ...emails, ...needles.of('phone'), ...pseudonyms]),
    within: lower(long),
    ids: distinct([...given, ...needles.of('phone'), ...pseudonyms]),
    addresses: lower(emails),
    mentioned: lower(mentioned.filter(isAddress)),
    numbers: distinct(long.filter((text) => !isAddress(text))),
    words: distinct(given.filter((id) => id.length >= shortestPart)),
    phones: distinct(tails.filter((tail) => tail !== undefined)),
    limits: limitsOf(
      given.filter((id) => id.length < shortestPart).length,
      tails.filter((tail) => tail === undefined).length,
    ),
  };
}

/** Nobody must take "nothing was found" for more than it is. */
const limitsOf = (shortIds: number, shortPhones: number): string[] => [
  ...(shortIds === 0
    ? []
    : [
        `Texts are not searched for ${shortIds} ids of fewer than ${shortestPart} characters, which are words of something else by chance.`,
      ]),
  ...(shortPhones === 0
    ? []
    : [
        `Texts are not searched for ${shortPhones} telephone numbers that are too short, in other notations than their own.`,
      ]),
];

/**
 * Documents that the tool writes about its own work, which hold numbers and names of tables. The
 * ranges in a manifest follow its files.
 */
export const isOwnDocument = (key: Key): boolean =>
  key.endsWith('/manifest.json') || key === runMetricsKey || key === usageHistoryKey;

/**
 * Masks every identifier in a key; undefined for a key that holds none. An id counts where it is a
 * whole part of the key, or a word of it that is long enough to be no accident.
 */
export function keyMask({ exact, addresses }: Pick<Wanted, 'exact' | 'addresses'>) {
  const hidden = '[identifier]';
  const known = new Set(exact);
  const long = new Set(exact.filter((id) => id.length >= shortestPart));
  return (key: Key): string | undefined => {
    let masked = key;
    for (const address of addresses) {
      const at = masked.toLowerCase().indexOf(address);
      if (at !== -1) masked = masked.slice(0, at) + hidden + masked.slice(at + address.length);
    }
    const parts = masked.split('/').map((part) => {
      const stem = part.replace(/(\.[a-z0-9]+)+$/i, '');
      if (known.has(stem.toLowerCase()) || known.has(part.toLowerCase())) return hidden;
      return part
        .split(/([^\p{L}\p{N}]+)/u)
        .map((word) => (long.has(word.toLowerCase()) ? hidden : word))
        .join('');
    });
    const text = parts.join('/');
    return text === key ? undefined : text;
  };
}

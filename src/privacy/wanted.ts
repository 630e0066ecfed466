import type { Key } from '../lake/lake.js';
import { runMetricsKey, usageHistoryKey } from '../lake/layout.js';
import { pseudonym } from '../pipeline/pseudonym.js';
import { mentionDomain } from './model.js';
import type { Needles } from './needles.js';

/** Shorter texts are part of words that mean something else. */
const shortestMention = 6;

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
}

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
  return {
    exact: lower([...given, ...emails, ...needles.of('phone'), ...pseudonyms]),
    within: lower(long),
    ids: distinct([...given, ...needles.of('phone'), ...pseudonyms]),
    addresses: lower(emails),
    mentioned: lower(mentioned.filter(isAddress)),
    numbers: distinct(long.filter((text) => !isAddress(text))),
  };
}

/**
 * Documents that the tool writes about its own work, which hold numbers and names of tables. The
 * ranges in a manifest follow its files.
 */
export const isOwnDocument = (key: Key): boolean =>
  key.endsWith('/manifest.json') || key === runMetricsKey || key === usageHistoryKey;

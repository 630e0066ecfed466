import type { Key } from '../lake/lake.js';
import { runMetricsKey, usageHistoryKey } from '../lake/layout.js';
import { pseudonym } from '../pipeline/pseudonym.js';
import { mentionDomain } from './model.js';
import type { Needles } from './needles.js';

/** Shorter texts are part of words that mean something else. */
const shortestMention = 6;

/** What names a person, in the form in which texts are compared. */
export interface Wanted {
  /** Compared with whole values, lower case. */
  exact: string[];
  /** Looked for within texts, lower case. */
  within: string[];
}

export function wantedOf(needles: Needles, pseudonymKey: Uint8Array): Wanted {
  const ids = ['customer', 'buyer'].flatMap((domain) => needles.of(domain));
  const addresses = ['email', mentionDomain].flatMap((domain) => needles.of(domain));
  const pseudonyms = needles.of('customer').map((id) => pseudonym(id, pseudonymKey));
  const lower = (values: readonly string[]) => [...new Set(values.map((one) => one.toLowerCase()))];
  return {
    exact: lower([...ids, ...addresses, ...needles.of('phone'), ...pseudonyms]),
    within: lower([
      ...[...addresses, ...pseudonyms].filter((text) => text.length >= shortestMention),
    ]),
  };
}

/**
 * Documents that the tool writes about its own work, which hold numbers and names of tables. The
 * ranges in a manifest follow its files.
 */
export const isOwnDocument = (key: Key): boolean =>
  key.endsWith('/manifest.json') || key === runMetricsKey || key === usageHistoryKey;

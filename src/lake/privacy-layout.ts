import type { Key, Layer } from './lake.js';
import { parseBatchKey } from './layout.js';

/** Keys of what erasing people leaves in the lake, beside the layers: outside of the database. */

export const privacyPrefix: Key = 'privacy/';
const requestsPrefix: Key = `${privacyPrefix}requests/`;

export const suppressionKey: Key = `${privacyPrefix}suppression.json`;
export const requestKey = (requestId: string): Key => `${requestsPrefix}${requestId}.json`;
export const requestKeysPrefix = requestsPrefix;
export const certificateKey = (requestId: string): Key =>
  `${privacyPrefix}certificates/${requestId}.json`;

/** Request id of a key of a request; undefined for any other key. */
export function requestIdOf(key: Key): string | undefined {
  return key.startsWith(requestsPrefix) && key.endsWith('.json')
    ? key.slice(requestsPrefix.length, -'.json'.length)
    : undefined;
}

/** Layer and table of a Parquet file of a batch, whatever its part and generation. */
export function tableOfKey(key: Key): { layer: Layer; batchId: string; table: string } | undefined {
  const parsed = parseBatchKey(key);
  if (parsed === undefined || !parsed.rest.endsWith('.parquet')) return undefined;
  const segments = parsed.rest.split('/');
  if (segments.length > 2) return undefined;
  const [first = ''] = segments;
  const segment =
    segments.length === 2 ? first : first.replace(/\.parquet$/, '').replace(/-g\d+$/, '');
  return { layer: parsed.layer, batchId: parsed.batchId, table: decodeSegment(segment) };
}

const decodeSegment = (segment: string): string =>
  segment.replace(/%([0-9A-F]{2})/g, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );

/** What a run found, sealed, until its erasure is final. */
export const foundKey = (runId: string): Key => `${privacyPrefix}found/${runId}.json`;

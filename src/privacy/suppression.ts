import type { Lake } from '../lake/lake.js';
import { suppressionKey } from '../lake/privacy-layout.js';
import { failed, isOperatorError, refused } from '../system/errors.js';
import type { PrivacyKeys } from './keys.js';
import { serialise } from './requests.js';

/** What a tombstone stands for; `pseudonym` is a customer's name in silver and gold. */
export type TombstoneKind = 'customer' | 'buyer' | 'email' | 'phone' | 'pseudonym';

/** Who was erased, by a digest that nobody can compute without the key. */
export interface Tombstone {
  requestId: string;
  kind: TombstoneKind;
  /** HMAC-SHA-256, 64 hex digits. */
  digest: string;
  keyId: string;
  /** Later records are of somebody who registered again. ISO 8601, UTC. */
  effectiveAt: string;
  epoch: number;
}

export interface SuppressionList {
  format: 1;
  /** Grows with each erasure: what was read before must be filtered again. */
  epoch: number;
  tombstones: Tombstone[];
}

const empty: SuppressionList = { format: 1, epoch: 0, tombstones: [] };

/** The list as it is now. It lies in the lake: restoring the database does not lose it. */
export async function readSuppression(lake: Lake): Promise<SuppressionList> {
  return (await readStored(lake))?.list ?? empty;
}

async function readStored(
  lake: Lake,
): Promise<{ list: SuppressionList; etag: string } | undefined> {
  const found = await lake.readVersion(suppressionKey);
  if (found === undefined) return undefined;
  try {
    return { list: JSON.parse(found.body.toString('utf8')) as SuppressionList, etag: found.etag };
  } catch (cause) {
    // Without the list nobody can tell who must not come back.
    throw failed('SUPPRESSION_DAMAGED', `${suppressionKey} in ${lake.description} is damaged.`, {
      hint: 'Restore it from maintenance.gdpr_tombstones or a version of the bucket; nothing is published until then.',
      cause,
    });
  }
}

export type NewTombstone = Omit<Tombstone, 'epoch' | 'keyId'>;

/**
 * Adds tombstones under a new epoch; those that are there already are not added again, and when all
 * are, nothing changes.
 */
export async function addTombstones(
  lake: Lake,
  keys: PrivacyKeys,
  tombstones: readonly NewTombstone[],
): Promise<SuppressionList> {
  for (;;) {
    const stored = await readStored(lake);
    const { epoch, tombstones: present } = stored?.list ?? empty;
    const known = new Set(present.map(nameOf));
    const missing = tombstones.filter((tombstone) => !known.has(nameOf(tombstone)));
    if (missing.length === 0) return stored?.list ?? empty;
    const list: SuppressionList = {
      format: 1,
      epoch: epoch + 1,
      tombstones: [
        ...present,
        ...missing.map((tombstone) => ({ ...tombstone, keyId: keys.id, epoch: epoch + 1 })),
      ],
    };
    try {
      const condition = stored === undefined ? { ifAbsent: true } : { ifMatch: stored.etag };
      await lake.put(suppressionKey, serialise(list), condition);
      return list;
    } catch (error) {
      const code = isOperatorError(error) ? error.code : '';
      if (code !== 'OBJECT_EXISTS' && code !== 'OBJECT_CHANGED') throw error;
    }
  }
}

/** Two tombstones with the same name are the same. */
export const nameOf = ({ requestId, kind, digest }: NewTombstone): string =>
  `${requestId} ${kind} ${digest}`;

/**
 * The tombstones, which this key must be able to match.
 *
 * @throws SUPPRESSION_KEY_MISSING (exit 3): with another key, nobody would be recognised
 */
export function requireKey(
  { tombstones }: SuppressionList,
  keys: Pick<PrivacyKeys, 'id'>,
): readonly Tombstone[] {
  const foreign = tombstones.find(({ keyId }) => keyId !== keys.id);
  if (foreign === undefined) return tombstones;
  throw refused(
    'SUPPRESSION_KEY_MISSING',
    `Request ${foreign.requestId} was erased with key ${foreign.keyId}, and the present one is ${keys.id}: whom it suppresses cannot be told.`,
    { hint: 'Run it with the REVIEWOPS_PSEUDONYM_KEY of that time.' },
  );
}

import type { Owner } from '../system/owner.js';
import type { Key, Lake } from './lake.js';

/** What is known of a lease. The times are those of the holder's clock. */
export interface LeaseRecord {
  name: string;
  owner: Owner;
  acquiredAt: Date;
  /** The holder's last sign of life. */
  renewedAt: Date;
}

/** A lease as it is stored: one line of JSON. */
export const serialiseLease = (record: LeaseRecord): string => `${JSON.stringify(record)}\n`;

/** The lease with its etag, without a record when it is damaged; undefined when there is none. */
export async function readLease(
  lake: Lake,
  key: Key,
): Promise<{ record: LeaseRecord | undefined; etag: string } | undefined> {
  const found = await lake.readVersion(key);
  if (found === undefined) return undefined;
  return { record: parseLease(found.body.toString('utf8')), etag: found.etag };
}

function parseLease(text: string): LeaseRecord | undefined {
  let record: Partial<Record<keyof LeaseRecord, unknown>>;
  try {
    record = JSON.parse(text);
  } catch {
    // Only a damaged disk or a person's edit can cut short what is written atomically.
    return undefined;
  }
  const owner = record?.owner as Owner | undefined;
  const acquiredAt = new Date(String(record?.acquiredAt));
  const renewedAt = new Date(String(record?.renewedAt));
  const whole =
    typeof record?.name === 'string' &&
    [owner?.user, owner?.host, owner?.machine].every((part) => typeof part === 'string') &&
    Number.isInteger(owner?.pid) &&
    !Number.isNaN(acquiredAt.getTime()) &&
    !Number.isNaN(renewedAt.getTime());
  return whole && owner !== undefined
    ? { name: String(record.name), owner, acquiredAt, renewedAt }
    : undefined;
}

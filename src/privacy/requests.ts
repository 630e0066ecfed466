import type { IdentifierKind } from '../config/privacy-schema.js';
import type { Lake } from '../lake/lake.js';
import { requestIdOf, requestKey, requestKeysPrefix } from '../lake/privacy-layout.js';
import { failed, invalid, isOperatorError, refused } from '../system/errors.js';
import { deadlineOf, type Weekends } from './deadline.js';
import { type Identifiers, normalForm } from './identifiers.js';
import type { PrivacyKeys } from './keys.js';

export interface Said {
  at: string;
  by: string;
  reason: string;
}

/** `open` until the erasure is proven; `erased` while residuals last; then `final`. */
export type RequestState = 'open' | 'erased' | 'final';

/**
 * A request as it lies in the lake, outside of the database, so that restoring the database loses
 * none. Identifiers are sealed, and gone once the erasure is final.
 */
export interface RequestRecord {
  format: 1;
  requestId: string;
  state: RequestState;
  /** ISO 8601, UTC, like all times. */
  receivedAt: string;
  recordedAt: string;
  dueAt: string;
  by: string;
  /** How many identifiers of each kind were given. */
  given: Partial<Record<IdentifierKind, number>>;
  /** Of the identifiers: two requests with the same id are the same request only if it is equal. */
  digest: string;
  keyId: string;
  sealed: string | null;
  extension: Said | null;
  hold: Said | null;
  erasedAt: string | null;
  finalAt: string | null;
  /** The run that proved the erasure. */
  runId: string | null;
  /** Runs that began to erase the person: what they found is kept until the erasure is final. */
  begun: string[];
}

/** As records were written before they told which runs had begun. */
type Unfilled = Omit<RequestRecord, 'begun'> & Partial<Pick<RequestRecord, 'begun'>>;

export interface StoredRequest {
  record: RequestRecord;
  etag: string;
}

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** @throws REQUEST_ID_INVALID (exit 2) */
export function checkRequestId(requestId: string): string {
  if (idPattern.test(requestId)) return requestId;
  throw invalid(
    'REQUEST_ID_INVALID',
    'A request id is made of 1 to 64 letters, digits, dots, hyphens and underscores.',
    { hint: 'Take the number of the case, such as DSR-2026-0042; never a name or an address.' },
  );
}

export interface Intake {
  requestId: string;
  identifiers: Identifiers;
  receivedAt: Date;
  by: string;
}

/**
 * Records a request. The id is the idempotency key: the same request again changes nothing.
 *
 * @throws REQUEST_ID_INVALID, REQUEST_ID_REVEALS, REQUEST_CONFLICT (exit 2)
 */
export async function recordRequest(
  lake: Lake,
  keys: PrivacyKeys,
  intake: Intake,
  options: { now: () => Date; weekends: Weekends },
): Promise<{ record: RequestRecord; created: boolean }> {
  const { requestId, identifiers, receivedAt, by } = intake;
  checkRequestId(requestId);
  requireDiscreetId(requestId, identifiers);
  if (receivedAt.getTime() > options.now().getTime()) {
    throw invalid('RECEIVED_AT_INVALID', 'A request cannot be received in the future.');
  }
  const text = JSON.stringify(identifiers);
  const record: RequestRecord = {
    format: 1,
    requestId,
    state: 'open',
    receivedAt: receivedAt.toISOString(),
    recordedAt: options.now().toISOString(),
    dueAt: deadlineOf(receivedAt, false, options.weekends).toISOString(),
    by,
    given: countGiven(identifiers),
    digest: keys.digest('request', canonical(identifiers)),
    keyId: keys.id,
    sealed: keys.seal(requestId, text),
    extension: null,
    hold: null,
    erasedAt: null,
    finalAt: null,
    runId: null,
    begun: [],
  };
  try {
    await lake.put(requestKey(requestId), serialise(record), { ifAbsent: true });
    return { record, created: true };
  } catch (error) {
    if (!isOperatorError(error) || error.code !== 'OBJECT_EXISTS') throw error;
  }
  const { record: present } = await requireRequest(lake, requestId);
  if (present.digest === record.digest) return { record: present, created: false };
  throw invalid('REQUEST_CONFLICT', `Request ${requestId} exists, about other identifiers.`, {
    hint: 'Take another id for another person; `reviewops gdpr show` tells what is recorded.',
  });
}

/** Sorted and normalised, so that the order in which they were given does not matter. */
const canonical = (identifiers: Identifiers): string =>
  JSON.stringify(
    Object.entries(identifiers)
      .map(([kind, values]: [string, string[]]) => [
        kind,
        values.map((value) => normalForm(kind as IdentifierKind, value)).sort(),
      ])
      .sort(),
  );

const countGiven = (identifiers: Identifiers): RequestRecord['given'] =>
  Object.fromEntries(
    Object.entries(identifiers)
      .filter(([, values]) => values.length > 0)
      .map(([kind, values]) => [kind, values.length]),
  );

const shortestPart = 5;

/** The id is shown everywhere; it must not be what is hidden everywhere else. */
function requireDiscreetId(requestId: string, identifiers: Identifiers): void {
  const id = requestId.toLowerCase();
  const parts = id.split(/[^a-z0-9]+/);
  const values = (Object.values(identifiers).flat() as string[]).map((one) => one.toLowerCase());
  // Short ids, such as 42, may be part of any number; as a part by themselves they are no accident.
  const reveals = (value: string) =>
    value.length < shortestPart ? parts.includes(value) : id.includes(value);
  if (!values.some(reveals)) return;
  throw invalid('REQUEST_ID_REVEALS', 'The request id holds one of the identifiers.', {
    hint: 'Take an id that says nothing about the person, such as DSR-2026-0042.',
  });
}

export const serialise = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * A request with the etag of its record; undefined when there is none.
 *
 * @throws REQUEST_ID_INVALID (exit 2), REQUEST_DAMAGED (exit 1)
 */
export async function findRequest(
  lake: Lake,
  requestId: string,
): Promise<StoredRequest | undefined> {
  const found = await lake.readVersion(requestKey(checkRequestId(requestId)));
  if (found === undefined) return undefined;
  try {
    const record = JSON.parse(found.body.toString('utf8')) as Unfilled;
    return { record: { begun: [], ...record }, etag: found.etag };
  } catch (cause) {
    throw failed('REQUEST_DAMAGED', `The record of request ${requestId} cannot be read.`, {
      hint: `Restore ${requestKey(requestId)} in ${lake.description}.`,
      cause,
    });
  }
}

/** @throws REQUEST_NOT_FOUND (exit 2) */
export async function requireRequest(lake: Lake, requestId: string): Promise<StoredRequest> {
  const found = await findRequest(lake, requestId);
  if (found !== undefined) return found;
  throw invalid('REQUEST_NOT_FOUND', `There is no request ${requestId}.`, {
    hint: '`reviewops gdpr list` lists them; `reviewops gdpr request` records one.',
  });
}

/** All requests, by id. */
export async function listRequests(lake: Lake): Promise<RequestRecord[]> {
  const records: RequestRecord[] = [];
  for await (const { key } of lake.list(requestKeysPrefix)) {
    const requestId = requestIdOf(key);
    const found = requestId === undefined ? undefined : await findRequest(lake, requestId);
    if (found !== undefined) records.push(found.record);
  }
  return records;
}

/** Changes a request, as often as somebody else was faster. */
export async function updateRequest(
  lake: Lake,
  requestId: string,
  change: (record: RequestRecord) => RequestRecord,
): Promise<RequestRecord> {
  for (;;) {
    const { record, etag } = await requireRequest(lake, requestId);
    const changed = change(record);
    try {
      await lake.put(requestKey(requestId), serialise(changed), { ifMatch: etag });
      return changed;
    } catch (error) {
      if (!isOperatorError(error) || error.code !== 'OBJECT_CHANGED') throw error;
    }
  }
}

/** @throws REQUEST_FINAL (exit 3) when the identifiers are gone; SEAL_BROKEN */
export function openIdentifiers(record: RequestRecord, keys: PrivacyKeys): Identifiers {
  if (record.sealed === null) {
    throw refused(
      'REQUEST_FINAL',
      `Request ${record.requestId} is final; its identifiers were forgotten.`,
    );
  }
  return JSON.parse(keys.open(record.requestId, record.sealed)) as Identifiers;
}

/** @throws LEGAL_HOLD (exit 3) */
export function requireNoHold({ requestId, hold }: RequestRecord): void {
  if (hold === null) return;
  throw refused(
    'LEGAL_HOLD',
    `Request ${requestId} is under a legal hold since ${hold.at}: ${hold.reason}.`,
    { hint: `When it has ended: reviewops gdpr hold ${requestId} --release` },
  );
}

/**
 * Two more months, with their reason, given within the first.
 *
 * @throws EXTENSION_LATE, EXTENSION_GIVEN (exit 3)
 */
export function extend(record: RequestRecord, said: Said, weekends: Weekends): RequestRecord {
  if (record.extension !== null) {
    throw refused('EXTENSION_GIVEN', `Request ${record.requestId} was extended already.`);
  }
  if (said.at > record.dueAt) {
    throw refused(
      'EXTENSION_LATE',
      `The first month of request ${record.requestId} ended on ${record.dueAt.slice(0, 10)}; it can no longer be extended.`,
      { hint: 'Erase now, and tell the person why it is late.' },
    );
  }
  const dueAt = deadlineOf(new Date(record.receivedAt), true, weekends).toISOString();
  return { ...record, extension: said, dueAt };
}

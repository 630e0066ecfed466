import { daysUntil } from '../privacy/deadline.js';
import type { RequestRecord } from '../privacy/requests.js';

/** A request without what is sealed in it. */
export type ShownRequest = Omit<RequestRecord, 'format' | 'digest' | 'sealed' | 'keyId'> & {
  /** Until the deadline; negative when it has passed. */
  daysLeft: number;
};

export function shownRequest(record: RequestRecord, now: Date): ShownRequest {
  const { format: _format, digest: _digest, sealed: _sealed, keyId: _keyId, ...shown } = record;
  return { ...shown, daysLeft: daysUntil(new Date(record.dueAt), now) };
}

export const requestLines = (request: ShownRequest): string[] => [
  `${request.requestId}: ${request.state}, received ${request.receivedAt.slice(0, 10)}, due ${request.dueAt.slice(0, 10)}.`,
  ...(request.extension === null
    ? []
    : [`Extended by ${request.extension.by}: ${request.extension.reason}`]),
  ...(request.hold === null ? [] : [`Legal hold by ${request.hold.by}: ${request.hold.reason}`]),
  ...(request.erasedAt === null ? [] : [`Erased at ${request.erasedAt} by run ${request.runId}.`]),
];

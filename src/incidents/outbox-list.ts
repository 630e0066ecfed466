import type { IncidentStore } from './store.js';

export interface OutboxRow {
  messageId: number;
  incidentId: number;
  channel: string;
  kind: string;
  state: 'waiting' | 'sending' | 'stuck' | 'sent' | 'superseded';
  attempts: number;
  createdAt: string;
  /** Null for what is not tried by itself any more. */
  nextAttemptAt: string | null;
  lastError: string | null;
}

interface Row {
  message_id: string;
  incident_id: number;
  channel: string;
  kind: string;
  state: OutboxRow['state'];
  attempts: number;
  created_at: Date;
  next_attempt_at: Date;
  last_error: string | null;
}

/** Messages that have not been sent, the oldest first. */
export async function unsentMessages(
  { client }: IncidentStore,
  limit: number,
): Promise<OutboxRow[]> {
  const rows = await client.query<Row>(
    `SELECT message_id, incident_id, channel, kind, state, attempts, created_at, next_attempt_at,
            last_error
     FROM maintenance.incident_outbox WHERE state IN ('waiting', 'sending', 'stuck')
     ORDER BY message_id LIMIT $1`,
    [limit],
  );
  return rows.map((row) => ({
    messageId: Number(row.message_id),
    incidentId: row.incident_id,
    channel: row.channel,
    kind: row.kind,
    state: row.state,
    attempts: row.attempts,
    createdAt: row.created_at.toISOString(),
    nextAttemptAt: row.state === 'stuck' ? null : row.next_attempt_at.toISOString(),
    lastError: row.last_error,
  }));
}

/** Makes everything that is not sent due now, and gives it all its attempts again. */
export const retryUnsent = ({ client, now }: IncidentStore): Promise<number> =>
  client.execute(
    `UPDATE maintenance.incident_outbox SET state = 'waiting', attempts = 0, next_attempt_at = $1
     WHERE state = 'stuck' OR state = 'waiting' AND next_attempt_at > $1`,
    [now()],
  );

import type { IncidentStore } from './context.js';

/** A message that waits to be sent; its key makes it one, however often it is written. */
export interface NewMessage {
  key: string;
  incidentId: number;
  /** Name of the channel or tracker. */
  channel: string;
  kind: string;
  payload: object;
  at: Date;
}

/** What a newer message makes pointless, where it has not been sent yet. */
const superseded: Record<string, readonly string[]> = {
  status: ['status'],
  resolved: ['status', 'call'],
};

/**
 * Writes messages in the transaction of the event that they tell of. `told`: keys of those that
 * were sent before the event reached the database.
 */
export async function insertMessages(
  { client }: IncidentStore,
  messages: readonly NewMessage[],
  told: ReadonlySet<string>,
): Promise<void> {
  for (const { key, incidentId, channel, kind, payload, at } of messages) {
    const old = superseded[kind];
    if (old !== undefined) {
      await client.execute(
        `UPDATE maintenance.incident_outbox SET state = 'superseded'
         WHERE incident_id = $1 AND channel = $2 AND kind = ANY ($3) AND state = 'waiting'`,
        [incidentId, channel, old],
      );
    }
    await client.execute(
      `INSERT INTO maintenance.incident_outbox
         (key, incident_id, channel, kind, payload, created_at, next_attempt_at, state, sent_at)
       VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8) ON CONFLICT (key) DO NOTHING`,
      [
        key,
        incidentId,
        channel,
        kind,
        JSON.stringify(payload),
        at,
        told.has(key) ? 'sent' : 'waiting',
        told.has(key) ? at : null,
      ],
    );
  }
}

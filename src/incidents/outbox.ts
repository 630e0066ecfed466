import type { IncidentStore } from './store.js';

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

/** Writes messages in the transaction of the event that they tell of. */
export async function insertMessages(
  { client }: IncidentStore,
  messages: readonly NewMessage[],
): Promise<void> {
  for (const { key, incidentId, channel, kind, payload, at } of messages) {
    await client.execute(
      `INSERT INTO maintenance.incident_outbox
         (key, incident_id, channel, kind, payload, created_at, next_attempt_at)
       VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (key) DO NOTHING`,
      [key, incidentId, channel, kind, JSON.stringify(payload), at],
    );
  }
}

import type { DatabaseClient } from '../database/client.js';
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
 * Writes messages in the transaction of the event that they tell of, in their order. `told`: keys
 * of those that were sent before the event reached the database.
 */
export async function insertMessages(
  { client }: IncidentStore,
  messages: readonly NewMessage[],
  told: ReadonlySet<string>,
): Promise<void> {
  if (messages.length === 0) return;
  await supersede(client, messages);
  const pointless = pointlessAmong(messages);
  const stateOf = (message: NewMessage): string => {
    if (told.has(message.key)) return 'sent';
    return pointless.has(message) ? 'superseded' : 'waiting';
  };
  await client.execute(
    `INSERT INTO maintenance.incident_outbox
       (key, incident_id, channel, kind, payload, created_at, next_attempt_at, state, sent_at)
     SELECT key, incident_id, channel, kind, payload, at, at, state,
            CASE state WHEN 'sent' THEN at END
     FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::jsonb[],
                 $6::timestamptz[], $7::text[])
       WITH ORDINALITY AS message (key, incident_id, channel, kind, payload, at, state, place)
     ORDER BY place
     ON CONFLICT (key) DO NOTHING`,
    [
      messages.map(({ key }) => key),
      messages.map(({ incidentId }) => incidentId),
      messages.map(({ channel }) => channel),
      messages.map(({ kind }) => kind),
      messages.map(({ payload }) => JSON.stringify(payload)),
      messages.map(({ at }) => at.toISOString()),
      messages.map(stateOf),
    ],
  );
}

/** What waits already and one of these makes pointless. */
async function supersede(client: DatabaseClient, messages: readonly NewMessage[]): Promise<void> {
  const old = messages.flatMap(({ incidentId, channel, kind }) =>
    (superseded[kind] ?? []).map((pointless) => ({ incidentId, channel, kind: pointless })),
  );
  if (old.length === 0) return;
  await client.execute(
    `UPDATE maintenance.incident_outbox AS waiting SET state = 'superseded'
     FROM unnest($1::integer[], $2::text[], $3::text[]) AS old (incident_id, channel, kind)
     WHERE waiting.incident_id = old.incident_id AND waiting.channel = old.channel
       AND waiting.kind = old.kind AND waiting.state = 'waiting'`,
    [
      old.map(({ incidentId }) => incidentId),
      old.map(({ channel }) => channel),
      old.map(({ kind }) => kind),
    ],
  );
}

/** Messages that a later one of the same time makes pointless. */
function pointlessAmong(messages: readonly NewMessage[]): Set<NewMessage> {
  const pointless = new Set<NewMessage>();
  const later = new Set<string>();
  for (const message of messages.toReversed()) {
    const { incidentId, channel, kind } = message;
    const name = (one: string) => JSON.stringify([incidentId, channel, one]);
    if (later.has(name(kind))) pointless.add(message);
    for (const old of superseded[kind] ?? []) later.add(name(old));
  }
  return pointless;
}

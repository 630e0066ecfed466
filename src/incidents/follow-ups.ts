import type { DatabaseClient } from '../database/client.js';

export interface LateItem {
  incidentId: number;
  item: number;
  owner: string;
  due: string;
}

/** The action items that are not done, of all incidents: how many, and which are past their date. */
export async function followUpsDue(
  client: Pick<DatabaseClient, 'query'>,
  now: Date,
): Promise<{ open: number; late: LateItem[] }> {
  const rows = await client.query<{ incident_id: number; data: Omit<LateItem, 'incidentId'> }>(
    `SELECT incident_id, data FROM maintenance.incident_events added
     WHERE type = 'action.added' AND NOT EXISTS (
       SELECT FROM maintenance.incident_events done
       WHERE done.incident_id = added.incident_id AND done.type = 'action.done'
         AND done.data -> 'item' = added.data -> 'item'
     )
     ORDER BY added.data ->> 'due', incident_id`,
  );
  const today = now.toISOString().slice(0, 10);
  return {
    open: rows.length,
    late: rows
      .map(({ incident_id: incidentId, data: { item, owner, due } }) => ({
        incidentId,
        item,
        owner,
        due,
      }))
      // The day itself is still in time.
      .filter(({ due }) => due < today),
  };
}

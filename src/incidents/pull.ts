import { errorMessage } from '../system/errors.js';
import { redact } from '../system/redact.js';
import { appendEvents } from './append.js';
import type { Outlets } from './delivery.js';
import { trackerPrefix } from './messages.js';
import { isOver } from './state.js';
import { type IncidentStore, inTransaction, lockIncident, type NewEvent } from './store.js';
import { isOurs, type Pulled } from './trackers/tracker.js';
import { after } from './work.js';

export interface PullResult {
  comments: number;
  resolved: number;
  failures: string[];
}

interface LinkRow {
  incident_id: number;
  tracker: string;
  id: string;
}

/**
 * Takes over what people did in the trackers: their comments become notes, and a ticket that was
 * closed there resolves the incident here (closing asks for the checklist). A tracker that has not
 * been told everything yet is left for the next time: its state would be an old one.
 */
export async function pullTrackers(
  store: IncidentStore,
  { trackers }: Outlets,
  signal: AbortSignal,
): Promise<PullResult> {
  const result: PullResult = { comments: 0, resolved: 0, failures: [] };
  const rows = await store.client.query<LinkRow>(
    `SELECT incident_id, data ->> 'tracker' AS tracker, data ->> 'id' AS id
     FROM maintenance.incidents JOIN maintenance.incident_events USING (incident_id)
     WHERE closed_at IS NULL AND type = 'linked' AND NOT EXISTS (
       SELECT FROM maintenance.incident_outbox
       WHERE incident_outbox.incident_id = incidents.incident_id
         AND channel = $1 || (data ->> 'tracker') AND state NOT IN ('sent', 'superseded')
     )
     ORDER BY incident_id`,
    [trackerPrefix],
  );
  for (const row of rows) {
    const tracker = trackers.get(row.tracker);
    if (tracker === undefined) continue;
    try {
      const pulled = await tracker.pull(row.id, signal);
      await takeOver(store, row, pulled, result);
    } catch (error) {
      result.failures.push(redact(`${row.tracker} ${row.id}: ${errorMessage(error)}`));
    }
  }
  return result;
}

const takeOver = (
  store: IncidentStore,
  { incident_id: id, tracker }: LinkRow,
  { done, comments }: Pulled,
  result: PullResult,
): Promise<void> =>
  inTransaction(store, async () => {
    const incident = await lockIncident(store, id);
    const at = after(incident, store.now());
    const notes = comments
      .filter(({ text }) => !isOurs(text))
      .map(
        (comment): NewEvent => ({
          at,
          by: `${comment.by} (${tracker})`,
          key: `comment:${tracker}:${comment.id}`,
          event: { type: 'noted', text: comment.text, from: tracker },
        }),
      );
    result.comments += (await appendEvents(store, incident, notes)).length;
    if (!done || isOver(incident.state)) return;
    const written = await appendEvents(store, incident, [
      { at, by: tracker, event: { type: 'resolved', from: tracker } },
    ]);
    result.resolved += written.length;
  });

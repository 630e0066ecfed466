import type { IncidentsConfig } from '../config/incidents-schema.js';
import type { LoggedEvent } from './events.js';
import type { NewMessage } from './outbox.js';
import type { IncidentState } from './timeline.js';

/** What channels and trackers are told of an event. */
export function messagesFor(
  _id: number,
  _state: IncidentState,
  _logged: LoggedEvent,
  _config: IncidentsConfig,
): NewMessage[] {
  return [];
}

import type { IncidentsConfig } from '../config/incidents-schema.js';
import type { DatabaseClient } from '../database/client.js';

/** What the store works with. */
export interface IncidentStore {
  client: DatabaseClient;
  config: IncidentsConfig;
  now: () => Date;
}

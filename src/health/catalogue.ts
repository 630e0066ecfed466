import { invalid } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import type { Check } from './check.js';
import * as batches from './checks/batches.js';
import * as incidents from './checks/incidents.js';
import * as integrity from './checks/integrity.js';
import * as lake from './checks/lake.js';
import * as logs from './checks/logs.js';
import * as objects from './checks/objects.js';
import * as operations from './checks/operations.js';
import * as privacy from './checks/privacy.js';
import * as relations from './checks/relations.js';
import * as runs from './checks/runs.js';
import * as server from './checks/server.js';
import * as serving from './checks/serving.js';
import * as sessions from './checks/sessions.js';
import * as storage from './checks/storage.js';

/** Every check, in the order in which they are shown. */
export const checks: readonly Check[] = [
  server.database,
  server.tls,
  server.schema,
  relations.tables,
  relations.grants,
  sessions.connections,
  sessions.longTransactions,
  sessions.preparedTransactions,
  sessions.xminHolders,
  sessions.replicationSlots,
  storage.autovacuum,
  storage.wraparound,
  storage.deadRows,
  storage.staleStatistics,
  storage.bloat,
  objects.sequences,
  objects.indexes,
  integrity.foreignKeys,
  serving.servedBatch,
  serving.servedRows,
  integrity.orphans,
  serving.views,
  serving.freshness,
  runs.lastRun,
  runs.runDuration,
  runs.consecutiveFailures,
  runs.failedRuns,
  runs.runRows,
  runs.rejects,
  runs.rejectGrowth,
  runs.stageTimes,
  logs.errorLines,
  lake.lake,
  lake.writable,
  lake.space,
  lake.disk,
  batches.silver,
  batches.gold,
  batches.manifests,
  batches.parquet,
  integrity.checksums,
  batches.leases,
  operations.pseudonymKey,
  operations.passwordAge,
  operations.accessKeyAge,
  incidents.incidents,
  incidents.followUps,
  operations.journals,
  privacy.requests,
  privacy.returned,
];

/** The named checks, in the catalogue’s order; all without a name. `CHECK_UNKNOWN` (exit 2). */
export function selectChecks(names: readonly string[]): Check[] {
  const known = checks.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    throw invalid('CHECK_UNKNOWN', `There is no check "${name}".`, {
      hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}\`reviewops health --list\` names them.`,
    });
  }
  return checks.filter(({ name }) => names.length === 0 || names.includes(name));
}

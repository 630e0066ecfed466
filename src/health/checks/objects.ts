import { type Check, judged, ok, percent, several, stateOf, unknown, warning } from '../check.js';

/** Objects of the database that stop working one day, or have already. */

interface Sequence {
  name: string;
  last: string | null;
  most: string;
  start: string;
  readable: boolean;
  cycles: boolean;
}

export const sequences: Check = {
  name: 'sequences',
  title: 'Sequences near their end',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database }) => {
    const rows = await (await database()).query<Sequence>(
      `SELECT schemaname || '.' || sequencename AS name, last_value AS last, start_value AS start,
              CASE WHEN increment_by > 0 THEN max_value ELSE min_value END AS most, cycle AS cycles,
              has_schema_privilege(schemaname, 'USAGE') AND has_sequence_privilege(
                format('%I.%I', schemaname, sequencename), 'SELECT, USAGE') AS readable
       FROM pg_sequences`,
    );
    const threshold = config.health.sequencePercent;
    const hidden = rows.filter(({ readable }) => !readable).map(({ name }) => name);
    const used = rows
      .filter(({ readable, cycles }) => readable && !cycles)
      .map(({ name, last, start, most }) => ({
        name,
        // No value yet is no number taken.
        share: last === null ? 0 : share(BigInt(last), BigInt(start), BigInt(most)),
      }))
      .sort((a, b) => b.share - a.share);
    const [fullest] = used;
    const state = stateOf(fullest?.share ?? 0, threshold);
    if (state === 'ok' && hidden.length > 0) {
      return unknown(`the role may not read ${several(hidden)}`, {
        evidence: { hidden },
        next: 'GRANT SELECT on them to the role.',
        runbook: { id: 'database-connection', input: {} },
      });
    }
    return judged(
      state,
      fullest === undefined ? 'there is none' : `${fullest.name} is used up to ${fullest.share} %`,
      {
        value: fullest?.share ?? 0,
        unit: 'percent',
        threshold,
        evidence: { sequences: used.slice(0, 10), hidden },
        runbook: { id: 'inconsistent-rows', input: {} },
        next: `Widen the column and the sequence of ${fullest?.name ?? ''} to bigint.`,
      },
    );
  },
};

function share(last: bigint, start: bigint, most: bigint): number {
  const whole = most - start;
  return whole === 0n ? 100 : percent(Number(((last - start) * 1000n) / whole), 1000);
}

export const indexes: Check = {
  name: 'indexes',
  title: 'Invalid indexes',
  group: 'database',
  needs: ['database'],
  run: async ({ database }) => {
    // One that is being built is not valid yet, and nothing is wrong with it.
    const rows = await (await database()).query<{ name: string; table: string }>(
      `SELECT namespace.nspname || '.' || class.relname AS name, indrelid::regclass::text AS table
       FROM pg_index index JOIN pg_class class ON class.oid = index.indexrelid
       JOIN pg_namespace namespace ON namespace.oid = class.relnamespace
       WHERE NOT (indisvalid AND indisready)
         AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index progress
                         WHERE progress.index_relid = index.indexrelid)
       ORDER BY 1`,
    );
    const invalid = rows.map(({ name }) => name);
    const shared = { value: invalid.length, unit: 'count' as const, evidence: { indexes: rows } };
    if (invalid.length === 0) return ok('none is invalid', shared);
    return warning(`not used, and paid for at each write: ${several(invalid)}`, {
      ...shared,
      runbook: { id: 'slow-at-peak', input: {} },
      next: `REINDEX INDEX CONCURRENTLY ${invalid[0]}; or drop it.`,
    });
  },
};

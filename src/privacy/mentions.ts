import type { DatabaseClient } from '../database/client.js';
import { conditionFor } from './database-finder.js';
import type { LakeFindings } from './lake-finder.js';
import { type LakeUnit, unitName } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import type { PrivacyModel } from './model.js';
import type { Needles } from './needles.js';
import { tableTraces } from './table-traces.js';
import { type Wanted, wantedOf } from './wanted.js';

/** Where else the person is named than in rows of their own. */
export interface Mentions {
  /** Texts of others, by table or object: cases for a person. */
  texts: { place: string; rows: number }[];
  /** Rows that hold an identifier as a whole value and that no link leads to. */
  unlinked: { place: string; rows: number }[];
  /** What texts could not be searched for, for people. */
  limits: string[];
}

/**
 * Reads every text of the tables that is not in a row of the person's own, and takes over what the
 * search saw in the lake. `goes` says which versions are purged anyway.
 */
export async function findMentions(
  client: DatabaseClient,
  { model, pseudonymKey }: LakeWork,
  needles: Needles,
  lake: LakeFindings,
  goes: (unit: LakeUnit) => boolean,
): Promise<Mentions> {
  const wanted = wantedOf(needles, pseudonymKey);
  const mentions: Mentions = { texts: [], unlinked: [], limits: wanted.limits };
  if (wanted.exact.length === 0) return mentions;
  await readTables(client, model, needles, wanted, mentions);
  for (const { unit, counts } of lake.traces) {
    if (goes(unit)) continue;
    note(mentions.unlinked, unitName(unit), counts.found);
    note(mentions.texts, unitName(unit), counts.mentioned);
  }
  return mentions;
}

async function readTables(
  client: DatabaseClient,
  { tables }: PrivacyModel,
  needles: Needles,
  wanted: Wanted,
  mentions: Mentions,
): Promise<void> {
  for (const table of tables) {
    // A view shows what its tables hold.
    if (table.kind === 'materialized') continue;
    const counts = await tableTraces(client, table, wanted, conditionFor(table, needles));
    note(mentions.unlinked, table.id, counts?.found ?? 0);
    note(mentions.texts, table.id, counts?.mentioned ?? 0);
  }
}

function note(list: Mentions['texts'], place: string, rows: number): void {
  if (rows > 0) list.push({ place, rows });
}

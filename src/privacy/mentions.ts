import type { DatabaseClient } from '../database/client.js';
import { conditionFor } from './database-finder.js';
import { type LakeFindings, type LakeWork, needleLists } from './lake-finder.js';
import { readParquetTexts } from './lake-traces.js';
import { type LakeUnit, unitName } from './lake-units.js';
import type { PrivacyModel } from './model.js';
import type { Needles } from './needles.js';
import { rowCondition, shapeOf } from './shapes.js';
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
 * Reads every text of the tables and of the Parquet files that is not in a row of the person's own,
 * and takes over what the search saw in other files. `goes` says which versions are purged anyway.
 */
export async function findMentions(
  client: DatabaseClient,
  work: LakeWork,
  needles: Needles,
  lake: LakeFindings,
  goes: (unit: LakeUnit) => boolean,
): Promise<Mentions> {
  const { model, pseudonymKey } = work;
  const wanted = wantedOf(needles, pseudonymKey);
  const mentions: Mentions = { texts: [], unlinked: [], limits: wanted.limits };
  if (wanted.exact.length === 0) return mentions;
  await readTables(client, model, needles, wanted, mentions);
  await readParquetTexts(work, {
    wanted,
    except: async (engine, key, columns) => {
      await engine.run('CREATE TABLE IF NOT EXISTS needle (domain VARCHAR, value VARCHAR)');
      const shape = shapeOf(key, model, work.config, true);
      if (shape === undefined) return undefined;
      const lists = await needleLists(engine, needles, shape);
      // A review of the person is theirs whatever key its pseudonym was made with.
      const owning = shape.owning.map(({ unless: _unless, ...rest }) => rest);
      return rowCondition({ ...shape, owning }, columns, (domain) => lists.get(domain));
    },
    found: (unit, { found, mentioned }) => {
      if (goes(unit)) return;
      note(mentions.unlinked, unitName(unit), found);
      note(mentions.texts, unitName(unit), mentioned);
    },
    // What cannot be read was named by the search already.
    unread: () => undefined,
  });
  for (const { unit, rows } of lake.mentions) {
    if (!goes(unit)) note(mentions.texts, unitName(unit), rows);
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

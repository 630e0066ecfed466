import type { Discovery, PlannedObject } from '../../privacy/erasure-plan.js';
import { formatCount } from '../../system/duration.js';
import { refused } from '../../system/errors.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import {
  type EraseContext,
  foundBefore,
  keysOf,
  requireOpen,
  subjectsOf,
  withDatabase,
  workOf,
} from './erase.js';

/** What the last plan of a run found, for its first act; identifiers stay in memory. */
const discoveries = new Map<string, Discovery>();

/** Tombstones of the lake that the restored database lacks. */
async function lostTombstones(context: EraseContext): Promise<number> {
  if (context.input.replay !== true) return 0;
  const { missingTombstones } = await import('../../privacy/replay.js');
  const { readSuppression } = await import('../../privacy/suppression.js');
  const { tombstones } = await readSuppression(await context.services.lake());
  return withDatabase(
    context,
    'gdpr replay',
    { write: false },
    async (client) => (await missingTombstones(client, tombstones)).length,
  );
}

/** What the plan of this run was made from; searched again in a process that did not make it. */
export async function discovered(context: EraseContext): Promise<Discovery> {
  const known = discoveries.get(context.runId);
  if (known !== undefined) return known;
  return search(context);
}

async function search(context: EraseContext): Promise<Discovery> {
  const { discover } = await import('../../privacy/erasure-plan.js');
  const known = await foundBefore(context);
  return discover(await workOf(context), await subjectsOf(context), known);
}

/** Searches database and lake, and names everything that goes. */
export async function makePlan(context: EraseContext): Promise<Plan> {
  const records = await requireOpen(context);
  const keys = await keysOf(context);
  const found = await search(context);
  discoveries.set(context.runId, found);
  requireCovered(found);
  const lost = await lostTombstones(context);
  const targets: PlanTarget[] = [
    ...(lost === 0
      ? []
      : [
          {
            type: 'tombstones',
            name: 'maintenance.gdpr_tombstones',
            action: 'copy from the lake',
            state: { missing: lost },
          },
        ]),
    ...records.map(({ requestId, digest, dueAt }) => ({
      type: 'request',
      name: requestId,
      action: 'erase',
      state: { digest, dueAt },
    })),
    ...found.tables.map(({ table, rows, fingerprint }) => ({
      type: 'table',
      name: table.id,
      action: actionOn(table),
      state: {
        rows,
        fingerprint: keys.digest('rows', fingerprint),
        treatment: table.rows ?? 'keep',
      },
    })),
    ...found.objects.map(targetOf),
    ...found.uploads.map(({ key, begunAt }) => ({
      type: 'upload',
      name: key,
      action: 'call off',
      state: { begunAt },
    })),
    ...found.mentions.texts.map(({ place, rows: count }) => ({
      type: 'text',
      name: place,
      action: 'review',
      state: { rows: count },
    })),
  ];
  const { fanOut } = context.services.config.privacy;
  const rows = found.tables.reduce((sum, table) => sum + table.rows, 0);
  const wide = found.people > fanOut.people * records.length || rows > fanOut.rows * records.length;
  const rewritten = found.objects.filter(({ action }) => action === 'rewrite');
  const purged = found.objects.filter(
    ({ versionId, action, retained }) =>
      versionId !== null && retained === null && action !== 'remains',
  );
  return {
    summary: `Erase ${records.length} ${records.length === 1 ? 'person' : 'people'}: ${formatCount(rows)} rows of ${found.tables.length} tables, ${rewritten.length} files of the lake to rewrite, ${purged.length} old versions to purge.`,
    targets,
    totals: {
      people: found.people,
      rows,
      fanOut: wide,
      filesScanned: found.lake.filesScanned,
      filesRewritten: rewritten.length,
      rowsRemoved: rewritten.reduce((sum, object) => sum + object.rows, 0),
      versionsPurged: purged.length,
      foundBy: foundBy(found),
      textsToReview: found.mentions.texts.reduce((sum, text) => sum + text.rows, 0),
    },
    notes: [
      ...foundBy(found).map(
        ({ place, via, rows: count }) => `${place}: ${count} rows found by ${via}.`,
      ),
      ...found.lake.notes,
      ...found.objects.flatMap(({ key, action, why }) =>
        action === 'remains' ? [`${key} stays as it is: ${why}.`] : [],
      ),
      ...found.objects.flatMap(({ key, versionId, retained }) =>
        retained === null ? [] : [`Version ${versionId} of ${key} is retained until ${retained}.`],
      ),
      ...found.mentions.texts.map(
        ({ place, rows: count }) =>
          `${place}: ${count} texts of others name the person. They stay: somebody has to decide about each.`,
      ),
      ...records
        .filter(({ erasedAt }) => erasedAt !== null && context.input.replay !== true)
        .map(
          ({ requestId, erasedAt }) =>
            `${requestId} was erased before, on ${erasedAt?.slice(0, 10)}: rows of whoever registered again since are in this plan.`,
        ),
      ...found.mentions.limits,
      ...(wide ? ['More was found than one person usually has: somebody has to look first.'] : []),
    ],
  };
}

const actionOn = ({ rows, rule }: Discovery['tables'][number]['table']): string =>
  rows === 'keep'
    ? `keep (${rule.reason}; ${rule.owner}; review ${rule.reviewAt})`
    : (rows ?? 'keep');

const foundBy = ({ tables }: Discovery): { place: string; via: string; rows: number }[] =>
  tables.flatMap(({ table, by }) =>
    by.filter(({ rows }) => rows > 0).map(({ via, rows }) => ({ place: table.id, via, rows })),
  );

function targetOf(object: PlannedObject): PlanTarget {
  const { key, action, why, ...state } = object;
  return {
    type: action === 'purge' ? 'version' : 'object',
    name: key,
    action: action === 'remains' ? `remains (${why})` : action,
    state,
  };
}

/** What is not covered is named, and nothing is touched. */
function requireCovered(found: Discovery): void {
  const { unclassified, problems, lake, mentions } = found;
  const show = (names: readonly string[]) =>
    `${names.slice(0, 10).join('; ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''}`;
  if (lake.revealing.length > 0) {
    throw refused(
      'KEYS_REVEAL',
      `The names of these objects hold an identifier, and would have to stand in plan, journal and certificate: ${show(lake.revealing)}.`,
      { hint: 'Delete them, or put them under other names; then plan again.' },
    );
  }
  if (unclassified.length > 0) {
    throw refused(
      'UNCLASSIFIED',
      `What these hold is not known, so nobody can say that the person is not in them: ${show(unclassified)}.`,
      { hint: 'Classify them in privacy.tables or privacy.files (reviewops gdpr map).' },
    );
  }
  if (mentions.unlinked.length > 0) {
    const names = mentions.unlinked.map(({ place, rows }) => `${place} (${rows} rows)`);
    throw refused(
      'LINK_MISSING',
      `These hold an identifier of the person in rows that no link leads to: ${show(names)}.`,
      {
        hint: 'Declare the link in privacy.links or privacy.files, or the column as none or free-text in privacy.tables.',
      },
    );
  }
  if (problems.length > 0) {
    throw refused('TREATMENT_IMPOSSIBLE', `${show(problems)}.`, {
      hint: 'Change the treatment in privacy.tables.',
    });
  }
  if (lake.unreadable.length > 0) {
    const names = lake.unreadable.map(({ name, why }) => `${name} (${why})`);
    throw refused('FILES_UNREADABLE', `These files cannot be searched: ${show(names)}.`, {
      hint: 'Restore or delete them; `reviewops batch verify` names damaged files.',
    });
  }
}

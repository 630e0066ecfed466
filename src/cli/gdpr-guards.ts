import type { RestorePlan } from '../lake/restore.js';
import { refused } from '../system/errors.js';
import type { CommandContext } from './context.js';

/** What looks at a restore from old versions: it must bring back nobody who was erased. */
export async function erasedStayAway(
  context: CommandContext,
): Promise<(plan: RestorePlan) => Promise<void>> {
  const [{ requireNobodyReturns }, lake, config, scratch] = await Promise.all([
    import('../privacy/restore-guard.js'),
    context.lake(),
    context.config(),
    context.scratch(),
  ]);
  return (plan) =>
    requireNobodyReturns(
      {
        lake,
        config,
        scratch,
        pseudonymKey: async () => (await context.secrets()).pseudonymKey(),
        database: () => context.database(),
        signal: context.signal,
      },
      plan,
    );
}

/**
 * Refuses to hand anything over from a database that was restored to a time before an erasure.
 *
 * @throws REPLAY_NEEDED (exit 3)
 */
export async function requireReplayed(context: CommandContext): Promise<void> {
  const [{ readSuppression }, { missingTombstones }, { withClient }] = await Promise.all([
    import('../privacy/suppression.js'),
    import('../privacy/replay.js'),
    import('../database/client.js'),
  ]);
  const { tombstones } = await readSuppression(await context.lake());
  if (tombstones.length === 0) return;
  const { database: settings } = await context.config();
  const { signal } = context;
  const missing = await withClient(
    await context.database(),
    { purpose: 'look for erased people', settings, signal, readOnly: true },
    (client) => missingTombstones(client, tombstones),
  );
  if (missing.length === 0) return;
  throw refused(
    'REPLAY_NEEDED',
    `The database lacks ${missing.length} of ${tombstones.length} tombstones: it was restored to a time before an erasure, or one was interrupted. It may hold people who were erased.`,
    { hint: 'Erase them again first: reviewops gdpr replay' },
  );
}

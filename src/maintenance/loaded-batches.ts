import type { Config } from '../config/schema.js';
import { withClient } from '../database/client.js';
import type { DatabaseTarget } from '../database/target.js';
import { ExitCode, isOperatorError } from '../system/errors.js';

/** Which batches the serving table holds; `unknown` says why that cannot be told. */
export type LoadedBatches =
  | { state: 'known'; batchIds: ReadonlySet<string> }
  | { state: 'unknown'; why: string };

/** Asks the database. One that cannot be asked is an answer too: nobody may guess from it. */
export async function loadedBatches(
  target: () => Promise<DatabaseTarget>,
  settings: Config['database'],
  signal: AbortSignal,
): Promise<LoadedBatches> {
  try {
    const options = { purpose: 'purge', settings, signal, readOnly: true };
    return await withClient(await target(), options, async (client) => {
      // Where the table was never made, nothing was ever loaded.
      const [made] = await client.query<{ made: boolean }>(
        "SELECT to_regclass('maintenance.fact_loads') IS NOT NULL AS made",
      );
      const rows =
        made?.made === true
          ? await client.query<{ batch_id: string }>('SELECT batch_id FROM maintenance.fact_loads')
          : [];
      return { state: 'known', batchIds: new Set(rows.map(({ batch_id }) => batch_id)) };
    });
  } catch (error) {
    if (!isOperatorError(error) || error.exitCode === ExitCode.interrupted) throw error;
    return { state: 'unknown', why: error.message };
  }
}

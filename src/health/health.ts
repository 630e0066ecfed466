import type { DatabaseTarget } from '../database/target.js';
import type { Lake } from '../lake/lake.js';
import { readLastRuns } from '../pipeline/history.js';
import { invalid, throwIfAborted } from '../system/errors.js';
import { type Availability, databaseAvailability } from './availability.js';
import { type Check, type Need, ok, unknown } from './check.js';
import type { HealthSources } from './context.js';
import { DatabaseProbe } from './database-probe.js';
import { lakeDirectories, surveyLake } from './lake-survey.js';
import { type HealthReport, runChecks } from './runner.js';

export interface HealthOptions
  extends Pick<HealthSources, 'config' | 'home' | 'journals' | 'pseudonymKey' | 'scratch' | 'now'> {
  checks: readonly Check[];
  /** Resolves the database, and starts the embedded one. */
  database(): Promise<DatabaseTarget>;
  /** `NEON_DB_URL`; undefined for the embedded server. */
  databaseUrl(): Promise<string | undefined>;
  lake(): Promise<Lake>;
  /** Asks Neon’s control plane; never shown. */
  neonKey(): Promise<string | undefined>;
  /** Why no connection may be made to the database, which could wake it; undefined where one may. */
  noWake: string | undefined;
  signal: AbortSignal;
}

/**
 * Looks at everything once. With `noWake` no connection to the database is made: checks that need
 * one are skipped, and the control plane says whether it runs.
 *
 * @throws INTERRUPTED when the signal fires; nothing else
 */
export async function examine(options: HealthOptions): Promise<HealthReport> {
  const { config, signal, noWake } = options;
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  let probe: Promise<DatabaseProbe> | undefined;
  const sources = shared({
    ...options,
    availability: () => availability(options, ended),
    database: () => {
      probe = connect(options, ended);
      return probe;
    },
    lake: async () =>
      surveyLake(await options.lake(), {
        now: options.now,
        recentBatches: config.health.recentBatches,
        directories: lakeDirectories(config, options.home),
        signal: ended,
      }),
  });
  const withheld: Partial<Record<Need, string>> = noWake === undefined ? {} : { database: noWake };
  try {
    const checks = noWake === undefined ? options.checks : options.checks.map(withoutConnection);
    return await runChecks(checks, sources, { signal, withheld });
  } finally {
    // Ends what ran into its time limit and still waits for an answer.
    over.abort();
    await probe?.then((open) => open.close()).catch(() => undefined);
    throwIfAborted(signal);
  }
}

/** Connects, unless there is nothing to connect to: a check makes no database. */
async function connect(options: HealthOptions, signal: AbortSignal): Promise<DatabaseProbe> {
  const url = await options.databaseUrl();
  if (url === undefined) {
    const { state } = await availability(options, signal);
    if (state === 'absent') {
      throw invalid('DATABASE_ABSENT', 'The embedded database was never set up.', {
        hint: 'Run `reviewops db init`, or set NEON_DB_URL.',
      });
    }
  }
  return DatabaseProbe.connect(await options.database(), options.config, signal);
}

async function availability(
  { config, home, databaseUrl, neonKey }: HealthOptions,
  signal: AbortSignal,
): Promise<Availability> {
  const { neonApi: api, neonProject: project } = config.health;
  const [url, key] = await Promise.all([databaseUrl(), neonKey()]);
  return databaseAvailability({ url, home, neon: { api, project, key }, signal });
}

/** In place of the check of the connection: what can be known without one. */
function withoutConnection(check: Check): Check {
  if (check.name !== 'database') return check;
  const { onFailure: _, failureRunbook, ...rest } = check;
  return {
    ...rest,
    needs: [],
    run: async ({ availability: ask }) => {
      const { state, summary, kind } = await ask();
      const shared = {
        evidence: { kind, state },
        ...(failureRunbook && { runbook: failureRunbook }),
      };
      if (state === 'absent') return { state: 'critical', summary, ...shared };
      if (state === 'unknown') {
        return kind === 'external'
          ? { state: 'skipped', summary: `no connection was made: ${summary}` }
          : unknown(summary, shared);
      }
      return ok(summary, { evidence: shared.evidence });
    },
  };
}

/** The same with each source asked once. */
function shared(sources: HealthSources) {
  const database = once(sources.database);
  return {
    ...sources,
    database,
    lake: once(sources.lake),
    availability: once(sources.availability),
    pseudonymKey: once(sources.pseudonymKey),
    journals: once(sources.journals),
    runs: once(async () => readLastRuns(await database(), sources.config.health.recentRuns)),
  };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let outcome: Promise<T> | undefined;
  return () => {
    outcome ??= work();
    return outcome;
  };
}

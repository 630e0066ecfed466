import type { Check } from '../health/check.js';
import type { HealthReport } from '../health/runner.js';
import type { CommandContext } from './context.js';
import { checkJournals } from './journals.js';

/** What looks once; `round` counts the looks of a watch. */
export async function healthLooker(
  context: CommandContext,
  checks: readonly Check[],
  noWake: boolean,
): Promise<(round: number) => Promise<HealthReport>> {
  const [{ examine }, config] = await Promise.all([
    import('../health/health.js'),
    context.config(),
  ]);
  const databaseUrl = async () => (await context.secrets()).databaseUrl;
  return async (round) =>
    examine({
      config,
      checks,
      home: context.home,
      signal: context.signal,
      now: context.now,
      scratch: context.scratch,
      database: context.database,
      lake: context.lake,
      databaseUrl,
      neonKey: async () => (await context.secrets()).neonApiKey,
      journals: () => checkJournals(context.home),
      pseudonymKey: () => presentKey(context),
      noWake: noWake
        ? 'no connection is made, so that nothing wakes (--no-wake)'
        : await sparing(round, databaseUrl),
    });
}

/** A watch looks at serverless compute once and lets it go to sleep then. */
async function sparing(
  round: number,
  databaseUrl: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const url = await databaseUrl();
  if (round === 0 || url === undefined) return undefined;
  const { isNeon, parseDatabaseUrl } = await import('../database/url.js');
  return isNeon(parseDatabaseUrl(url).host)
    ? 'looked at once; a watch does not keep serverless compute awake'
    : undefined;
}

/** Of the key that is set; none is made for the purpose. */
async function presentKey(context: CommandContext): Promise<Uint8Array | undefined> {
  const secrets = await context.secrets();
  const set = secrets.origins.find(({ key }) => key === 'REVIEWOPS_PSEUDONYM_KEY');
  return set?.source === undefined ? undefined : secrets.pseudonymKey();
}

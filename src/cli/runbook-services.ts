import type { DatabaseTarget } from '../database/target.js';
import type { CallerIdentity } from '../diagnosis/identity.js';
import type { RunbookServices } from '../runbooks/engine/definition.js';
import type { CommandContext } from './context.js';

export interface CommandServices extends RunbookServices {
  /** The database, if a step has asked for it and got it. */
  used(): DatabaseTarget | undefined;
}

/** What runbooks work with, from a command's context. */
export async function servicesOf(context: CommandContext): Promise<CommandServices> {
  let used: DatabaseTarget | undefined;
  const config = await context.config();
  const { kind, layers } = config.lake;
  const onS3 = Object.values(layers).some((layer) => (layer.kind ?? kind) === 's3');
  return {
    config,
    home: context.home,
    database: async () => {
      used = await context.database();
      return used;
    },
    databaseUrl: async () => (await context.secrets()).databaseUrl,
    lake: context.lake,
    scratch: context.scratch,
    pseudonymKey: async () => (await context.secrets()).pseudonymKey(),
    surroundings: context.surroundings,
    ...(onS3 ? { identity: (signal: AbortSignal) => identityOf(context, signal) } : {}),
    tool: context.tool,
    now: context.now,
    used: () => used,
  };
}

async function identityOf(context: CommandContext, signal: AbortSignal): Promise<CallerIdentity> {
  const [{ callerIdentity }, { s3Settings }, { lake }, { aws }] = await Promise.all([
    import('../diagnosis/identity.js'),
    import('../lake/open.js'),
    context.config(),
    context.lakeSurroundings(),
  ]);
  return callerIdentity(s3Settings(lake, await aws()), signal);
}

import type { DatabaseTarget } from '../database/target.js';
import type { RunbookServices } from '../runbooks/engine/definition.js';
import type { CommandContext } from './context.js';

export interface CommandServices extends RunbookServices {
  /** The database, if a step has asked for it and got it. */
  used(): DatabaseTarget | undefined;
}

/** What runbooks work with, from a command's context. */
export async function servicesOf(context: CommandContext): Promise<CommandServices> {
  let used: DatabaseTarget | undefined;
  return {
    config: await context.config(),
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
    tool: context.tool,
    now: context.now,
    used: () => used,
  };
}

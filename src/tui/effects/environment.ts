import type { CommandContext } from '../../cli/context.js';
import { errorMessage } from '../../system/errors.js';
import { redact } from '../../system/redact.js';
import type { Environment } from '../state/model.js';

interface Identity {
  database: string;
  role: string;
  /** `reviewops.environment`, as `ALTER DATABASE … SET` gives it to every session; null unless set. */
  marked: string | null;
  replica: boolean;
}

/**
 * Which environment the connection reports. A database that says what it is, by the setting
 * `reviewops.environment`, is believed; a remote one that says nothing is taken for nobody's
 * playground. What the configuration calls itself does not count.
 */
export async function readEnvironment(context: CommandContext): Promise<Environment> {
  try {
    if (await isAbsent(context)) {
      const detail =
        'The embedded database was never set up: `reviewops db init` does, or set NEON_DB_URL.';
      return { kind: 'unreachable', name: 'no database yet', detail };
    }
    const [{ withClient }, { isLoopback, parseDatabaseUrl }, { database: settings }] =
      await Promise.all([
        import('../../database/client.js'),
        import('../../database/url.js'),
        context.config(),
      ]);
    const target = await context.database();
    const { host } = parseDatabaseUrl(target.url);
    const options = { purpose: 'environment', settings, signal: context.signal, readOnly: true };
    const [identity] = await withClient(target, options, (client) =>
      client.query<Identity & Record<string, unknown>>(
        `SELECT current_database() AS database, current_user AS role,
                nullif(current_setting('reviewops.environment', true), '') AS marked,
                pg_is_in_recovery() AS replica`,
      ),
    );
    if (identity === undefined)
      return { kind: 'unknown', name: 'unknown', detail: target.description };
    return judge(identity, {
      description: target.description,
      local: isLoopback(host),
      embedded: target.kind === 'embedded',
    });
  } catch (error) {
    return { kind: 'unreachable', name: 'NO DATABASE', detail: redact(errorMessage(error)) };
  }
}

/** Whether there is nothing to connect to: a look makes no database. */
export async function isAbsent(context: CommandContext): Promise<boolean> {
  if ((await context.secrets()).databaseUrl !== undefined) return false;
  const { embeddedStatus } = await import('../../database/embedded/status.js');
  return (await embeddedStatus({ home: context.home })).dataDirectory === null;
}

interface Place {
  description: string;
  local: boolean;
  embedded: boolean;
}

export function judge({ database, role, marked, replica }: Identity, place: Place): Environment {
  const detail = `${role} on ${place.description}${replica ? ', a replica' : ''}`;
  if (marked !== null) {
    const production = /^prod(uction)?$/i.test(marked.trim());
    return {
      kind: production ? 'production' : place.local ? 'local' : 'elsewhere',
      name: production ? 'PRODUCTION' : marked,
      detail,
    };
  }
  if (place.embedded) return { kind: 'local', name: 'embedded database', detail };
  if (place.local) return { kind: 'local', name: `${database} on this machine`, detail };
  return { kind: 'production', name: `${database}, remote and unmarked`, detail };
}

import type { Config } from '../../config/schema.js';
import { withClient } from '../../database/client.js';
import { externalTarget } from '../../database/url.js';
import { isOperatorError } from '../../system/errors.js';

export interface LoginOptions {
  settings: Config['database'];
  signal: AbortSignal;
}

const rejected = ['DATABASE_PASSWORD_REJECTED', 'DATABASE_LOGIN_REJECTED'];

/** Whether the URL logs in now. What keeps the server from answering is thrown. */
export async function canLogIn(url: string, options: LoginOptions): Promise<boolean> {
  try {
    await logIn(url, options);
    return true;
  } catch (error) {
    if (isOperatorError(error) && rejected.includes(error.code)) return false;
    throw error;
  }
}

/** Logs in afresh and asks who we are. */
export async function logIn(
  url: string,
  { settings, signal }: LoginOptions,
): Promise<{ login: string; role: string }> {
  const options = { purpose: 'credential', settings, signal, readOnly: true };
  return withClient(externalTarget(url), options, async (client) => {
    const [row] = await client.query<{ login: string; role: string }>(
      'SELECT session_user::text AS login, current_user::text AS role',
    );
    return { login: row?.login ?? '', role: row?.role ?? '' };
  });
}

import { align, repairsOf } from '../../credentials/database/alignment.js';
import { canLogIn } from '../../credentials/database/login.js';
import { endSessions, readRoles, sessionsOf, setLogin } from '../../credentials/database/roles.js';
import { failed } from '../../system/errors.js';
import type { JsonObject, Readiness, Verified } from '../engine/definition.js';
import type { AnyContext } from './context.js';
import { asAdmin, loginOptions, settingsOf, urlOf } from './database-logins.js';
import { kind, planned } from './rotate-database.js';
import { hoursAfter, mustRotation, note, pauseAfter, unnote } from './rotation.js';
import { goneBack } from './rotation-sinks.js';

/** The old login after the cut-over: it soaks, its sessions end, and it is locked. */

/** Waits `credentials.database.soakHours` after the cut-over. */
export const soak = (context: AnyContext): Promise<Readiness> =>
  pauseAfter(
    context,
    kind,
    'cutOver',
    settingsOf(context).soakHours,
    `${planned(context).active} stays usable`,
  );

/** How long until the sessions of the old login are looked at again, in hours. */
const lookAgainHours = 1;

/** Waits until nobody is logged in with the old login, unless its sessions may be ended. */
export async function oldSessions(context: AnyContext): Promise<Readiness> {
  const { active } = planned(context);
  const { endSessions: mayEnd } = await mustRotation(context, kind);
  const sessions = await asAdmin(context, (client) => sessionsOf(client, active));
  if (sessions.length === 0) return { ready: true, summary: `Nobody is logged in as ${active}.` };
  const who = sessions
    .slice(0, 3)
    .map(
      ({ application, client, pid }) =>
        `${application || 'unnamed'} from ${client ?? 'here'} (pid ${pid})`,
    )
    .join(', ');
  if (mayEnd) {
    return {
      ready: true,
      summary: `${sessions.length} sessions of ${active} will be ended: ${who}.`,
    };
  }
  return {
    ready: false,
    due: hoursAfter(context.services.now(), lookAgainHours),
    reason: `${sessions.length} sessions are still logged in as ${active}: ${who}. Let their programs read the new login; --end-sessions ends them.`,
  };
}

/**
 * Locks the old login, and ends its sessions where that was asked for.
 *
 * @throws NEW_LOGIN_NOT_IN_USE (exit 1) when a sink went back, or the new login does not work
 */
export async function lock(context: AnyContext): Promise<JsonObject> {
  const rotation = await mustRotation(context, kind);
  const { active } = planned(context);
  const left = await goneBack(context, kind, rotation);
  const works = await canLogIn(urlOf(context, rotation.fresh), loginOptions(context));
  if (left.length > 0 || !works) {
    throw failed(
      'NEW_LOGIN_NOT_IN_USE',
      `${active} is not locked: ${works ? `${left.join(', ')} no longer hands out the new login` : 'the new login does not work'}.`,
      { hint: 'Find out who changed it. Resume the run, or take it back with --undo.' },
    );
  }
  return asAdmin(context, async (client) => {
    // Rights that were given to the old login meanwhile go on with the new one.
    const repairs = await repairsOf(client, planned(context));
    const late = repairs.filter(({ what }) => !what.startsWith('only '));
    for (const { what } of late) context.warn(`Given since the plan was made: ${what}.`);
    await align(client, late);
    await setLogin(client, active, false);
    const ended = rotation.endSessions ? await endSessions(client, active) : 0;
    await note(context, rotation, 'revoked');
    return { locked: active, sessionsEnded: ended, repaired: late.length };
  });
}

/** Whether the old login can no longer log in, as the server says. */
export async function verifyLocked(context: AnyContext): Promise<Verified> {
  const { active } = planned(context);
  const login = await asAdmin(
    context,
    async (client) => (await readRoles(client, [active])).get(active)?.login === true,
  );
  return { done: !login, summary: login ? `${active} can still log in.` : `${active} is locked.` };
}

/** Lets the old login log in again; sessions that were ended stay so. */
export async function undoLock(context: AnyContext): Promise<void> {
  const { active } = planned(context);
  await asAdmin(context, (client) => setLogin(client, active, true));
  await unnote(context, await mustRotation(context, kind), 'revoked');
}

import { type Alternates, align, repairsOf } from '../../credentials/database/alignment.js';
import { canLogIn, logIn } from '../../credentials/database/login.js';
import { loginOf, withLogin } from '../../credentials/database/login-url.js';
import {
  managementProblem,
  readRoles,
  setLogin,
  setPassword,
} from '../../credentials/database/roles.js';
import { scramVerifier } from '../../credentials/database/scram.js';
import {
  type Rotation,
  removeRotation,
  requireNoOther,
  writeRotation,
} from '../../credentials/record.js';
import { generatePassword } from '../../credentials/secret.js';
import { invalid, refused } from '../../system/errors.js';
import type { Finding, JsonObject, Verified } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import type { AnyContext } from './context.js';
import {
  adminVariable,
  asAdmin,
  currentUrl,
  loginOptions,
  settingsOf,
  urlOf,
} from './database-logins.js';
import { hoursAfter, mustRotation, note, rotationOf, sinksOf } from './rotation.js';
import { storeFresh, verifyFinished } from './rotation-sinks.js';
import { hideValues } from './secrets.js';

/** The kind of credential that rotates here. */
export const kind = 'database';

/** Who takes over from whom. */
async function alternates(context: AnyContext): Promise<Alternates & { url: string }> {
  const { roles, owner } = settingsOf(context);
  const url = await currentUrl(context);
  const { user: active } = loginOf(url);
  const [first, second] = roles;
  if (first === undefined || second === undefined || owner === undefined || first === second) {
    throw invalid(
      'ROTATION_NOT_CONFIGURED',
      'Two login roles that take turns, and their owner, have to be named.',
      {
        hint: `Set credentials.database.roles to [${active}, ${active}_b] and owner to a role without login, or mode to single.`,
      },
    );
  }
  if (!roles.includes(active)) {
    throw refused(
      'ROLE_UNEXPECTED',
      `The login in use is ${active}; credentials.database.roles names ${roles.join(' and ')}.`,
      { hint: 'Correct credentials.database.roles.' },
    );
  }
  return { active, next: active === first ? second : first, owner, url };
}

/** From the plan: what was approved stays, whatever sinks hold meanwhile. */
export function planned(context: AnyContext): Alternates {
  const { active, next, owner } = (context.plan?.totals ?? {}) as Record<string, string>;
  if (!active || !next || !owner) throw new Error('The plan names no roles.');
  return { active, next, owner };
}

/**
 * Whether the two roles and their owner are as configured and may be managed.
 *
 * @throws ROTATION_NOT_CONFIGURED (exit 2), ROLE_UNEXPECTED, ROTATION_NOT_ALLOWED and
 * ROTATION_UNDER_WAY (exit 3)
 */
export async function checkManagement(context: AnyContext): Promise<Finding> {
  await requireNoOther(context.services.home, kind, context.runId);
  const { active, next, owner } = await alternates(context);
  const problem = await asAdmin(context, (client) =>
    managementProblem(client, [active, next, owner]),
  );
  if (problem !== undefined) {
    throw refused('ROTATION_NOT_ALLOWED', `The roles cannot be managed: ${problem}.`, {
      hint: `Set ${adminVariable} to the URL of a role that may (CREATEROLE, and ADMIN on ${active}, ${next} and ${owner}).`,
    });
  }
  return { state: 'ok', summary: `${active} is in use; ${next} takes over.` };
}

/**
 * Names the differences that are repaired, the roles and the sinks. `totals` holds `active`, `next` and
 * `owner`, which every later step reads.
 */
export async function planAlternating(context: AnyContext): Promise<Plan> {
  const { active, next, owner } = await alternates(context);
  const { soakHours } = settingsOf(context);
  const { roles, repairs } = await asAdmin(context, async (client) => ({
    roles: await readRoles(client, [active, next]),
    repairs: await repairsOf(client, { active, next, owner }),
  }));
  const state = (role: string): JsonObject => {
    const known = roles.get(role);
    return known === undefined ? { exists: false } : { exists: true, login: known.login };
  };
  const sinks = await sinksOf(context, kind);
  const targets: PlanTarget[] = [
    ...repairs.map(
      ({ what, statement }): PlanTarget => ({
        type: 'difference',
        name: what,
        action: 'repair',
        state: { statement },
      }),
    ),
    { type: 'role', name: next, action: 'set a new password, allow login', state: state(next) },
    ...sinks.map(
      ({ id }): PlanTarget => ({
        type: 'sink',
        name: id,
        action: `hand out ${next}`,
        state: { holds: active },
      }),
    ),
    { type: 'role', name: active, action: 'lock', state: state(active) },
  ];
  return {
    summary: `${next} takes over from ${active}; ${repairs.length === 0 ? 'they have the same rights' : `${repairs.length} differences between them are repaired`}.`,
    targets,
    totals: { active, next, owner, differences: repairs.length },
    notes: [
      `${active} stays usable for ${soakHours} hours after the cut-over, and until its last session has ended; then it is locked.`,
      'Rights are compared in the database of the URL; those on objects of other databases are not.',
    ],
  };
}

/** The rotation of this run; begun first where it has not, or was taken back: password first, on disk, then its use. */
async function begun(context: AnyContext): Promise<Rotation> {
  const { services, runId } = context;
  const there = await rotationOf(context, kind);
  if (there !== undefined) return there;
  await requireNoOther(services.home, kind, runId);
  const { active, next } = planned(context);
  const url = await currentUrl(context);
  if (loginOf(url).user !== active) {
    throw refused('PLAN_CHANGED', `The login in use is no longer ${active}.`, {
      hint: 'Somebody else has rotated it; start anew.',
    });
  }
  const { variable } = settingsOf(context);
  const secret = generatePassword();
  const fresh = { [variable]: withLogin(url, next, secret) };
  hideValues(context, { ...fresh, secret });
  const rotation: Rotation = {
    kind,
    runId,
    from: active,
    to: next,
    moments: {},
    endSessions:
      context.input instanceof Object &&
      (context.input as { endSessions?: boolean }).endSessions === true,
    old: { [variable]: url },
    fresh,
    secret,
  };
  await writeRotation(services.home, rotation);
  return rotation;
}

/**
 * Begins the rotation, and repairs those differences that the plan names.
 *
 * @throws PLAN_CHANGED, ROTATION_UNDER_WAY (exit 3)
 */
export async function prepare(context: AnyContext): Promise<JsonObject> {
  await begun(context);
  const allowed = new Set(
    context.plan?.targets
      .filter(({ type }) => type === 'difference')
      .map(({ state }) => state.statement),
  );
  return asAdmin(context, async (client) => {
    const repairs = await repairsOf(client, planned(context));
    const wanted = repairs.filter(({ statement }) => allowed.has(statement));
    for (const { what } of wanted) context.output(`Repaired: ${what}.`);
    return { repaired: await align(client, wanted) };
  });
}

/** Whether the rotation has begun and both roles have the same rights, as the server says. */
export async function verifyPrepared(context: AnyContext): Promise<Verified> {
  const rotation = await rotationOf(context, kind);
  const left = await asAdmin(context, (client) => repairsOf(client, planned(context)));
  const { active, next } = planned(context);
  return {
    done: rotation !== undefined && left.length === 0,
    summary:
      left.length === 0
        ? `${active} and ${next} have the same rights, and own nothing.`
        : `They still differ: ${left.map(({ what }) => what).join('; ')}.`,
  };
}

/** The rights that were repaired stay: they are as they should have been. */
export const undoPrepare = ({ services }: AnyContext): Promise<void> =>
  removeRotation(services.home, kind);

/** Whether nothing of the rotation is kept. */
export const verifyUnprepared = (context: AnyContext): Promise<Verified> =>
  verifyFinished(context, kind);

/** Sets the password of the next role, unless it is set already. */
async function passwordSet(context: AnyContext): Promise<Rotation> {
  const rotation = await begun(context);
  const { to, secret } = rotation;
  if (to === null || secret === undefined) throw new Error('There is no new password yet.');
  if (!(await canLogIn(urlOf(context, rotation.fresh), loginOptions(context)))) {
    await asAdmin(context, async (client) => {
      const ends = (await readRoles(client, [rotation.from])).get(rotation.from)?.validUntil;
      const days = context.services.config.health.passwordDays.critical;
      const validUntil =
        ends == null || days === null ? undefined : hoursAfter(context.services.now(), days * 24);
      await setPassword(client, to, await scramVerifier(secret), { login: true, validUntil });
    });
  }
  return note(context, rotation, 'created');
}

/** Sets the new password of the next role and lets it log in, unless it does already. */
export async function setNextPassword(context: AnyContext): Promise<JsonObject> {
  const { to } = await passwordSet(context);
  return { role: to };
}

/** Whether the next role logs in with the new password. */
export async function verifyNextPassword(context: AnyContext): Promise<Verified> {
  const rotation = await rotationOf(context, kind);
  const { next } = planned(context);
  const done =
    rotation !== undefined &&
    (await canLogIn(urlOf(context, rotation.fresh), loginOptions(context)));
  return { done, summary: done ? `${next} logs in.` : `${next} does not log in.` };
}

/** Locks the next role again: nothing hands it out. */
export async function undoNextPassword(context: AnyContext): Promise<void> {
  const { next } = planned(context);
  await asAdmin(context, (client) => setLogin(client, next, false));
}

/**
 * Stages the new login in every sink; when one fails, the login and the rotation are taken back.
 *
 * @throws SINK_FAILED (exit 1)
 */
export async function store(context: AnyContext): Promise<JsonObject> {
  return storeFresh(context, kind, await passwordSet(context), async () => {
    await undoNextPassword(context);
    await undoPrepare(context);
  });
}

/** Several logins in a row: one success proves nothing behind a pooler or with replicas. */
export async function prove(context: AnyContext): Promise<Finding> {
  const { verifications } = settingsOf(context);
  const rotation = await mustRotation(context, kind);
  const { next, owner } = planned(context);
  const url = urlOf(context, rotation.fresh);
  for (let times = 0; times < verifications; times += 1) {
    const { login, role } = await logIn(url, loginOptions(context));
    if (login !== next || role !== owner) {
      return {
        state: 'critical',
        summary: `The new URL logs in as ${login} and works as ${role}, not as ${next} and ${owner}.`,
      };
    }
  }
  return {
    state: 'ok',
    summary: `${next} logged in ${verifications} times in a row and works as ${owner}.`,
  };
}

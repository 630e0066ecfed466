import { canLogIn, logIn } from '../../credentials/database/login.js';
import { loginOf, withLogin } from '../../credentials/database/login-url.js';
import { NeonRoles } from '../../credentials/database/neon.js';
import { setPassword } from '../../credentials/database/roles.js';
import { scramVerifier } from '../../credentials/database/scram.js';
import {
  type Rotation,
  removeRotation,
  requireNoOther,
  writeRotation,
} from '../../credentials/record.js';
import { generatePassword } from '../../credentials/secret.js';
import {
  lacking,
  promoteEach,
  promoteEverywhere,
  restoreEverywhere,
  stageEverywhere,
  unstageEverywhere,
} from '../../credentials/store.js';
import { failed, invalid, partial, refused } from '../../system/errors.js';
import type { Finding, JsonObject, Verified } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import type { AnyContext } from './context.js';
import { asItself, currentUrl, loginOptions, settingsOf, urlOf } from './database-logins.js';
import { mustRotation, note, rotationOf, sinksOf, unnote } from './rotation.js';
import {
  freshOf,
  requireNone,
  verifyCutBack,
  verifyFinished,
  verifyUnstored,
} from './rotation-sinks.js';
import { hide, hideValues } from './secrets.js';

const kind = 'database';

/** Whether Neon sets the password, or we do. */
export const byNeon = (context: AnyContext): boolean => settingsOf(context).mode === 'neon';

async function neonOf(context: AnyContext): Promise<NeonRoles> {
  const { services, signal } = context;
  const { neonApi: api, neonProject: project } = services.config.health;
  const { neonBranch: branch } = settingsOf(context);
  const { lookup } = await services.surroundings();
  const key = lookup('NEON_API_KEY')?.value;
  const missing = [
    ...(project === undefined ? ['health.neonProject'] : []),
    ...(branch === undefined ? ['credentials.database.neonBranch'] : []),
    ...(key === undefined ? ['NEON_API_KEY'] : []),
  ];
  if (project === undefined || branch === undefined || key === undefined) {
    throw invalid(
      'ROTATION_NOT_CONFIGURED',
      `Neon's API cannot be asked without ${missing.join(', ')}.`,
      {
        hint: 'Set them, or credentials.database.mode to alternating.',
      },
    );
  }
  hide(context, key);
  return new NeonRoles({ api, project, branch, key, signal });
}

/**
 * Whether the login in use works and is the one that may rotate.
 *
 * @throws ROLE_UNEXPECTED, ROTATION_UNDER_WAY (exit 3), and what logging in throws
 */
export async function checkLogin(context: AnyContext): Promise<Finding> {
  await requireNoOther(context.services.home, kind, context.runId);
  const url = await currentUrl(context);
  const { login } = await logIn(url, loginOptions(context));
  const { roles } = settingsOf(context);
  if (roles.length > 0 && !roles.includes(login)) {
    throw refused(
      'ROLE_UNEXPECTED',
      `The login in use is ${login}; credentials.database.roles names ${roles.join(' and ')}.`,
      {
        hint: 'Correct credentials.database.roles.',
      },
    );
  }
  if (byNeon(context) && !(await (await neonOf(context)).exists(login))) {
    throw refused('ROLE_UNEXPECTED', `The branch of Neon has no role ${login}.`, {
      hint: 'Check credentials.database.neonBranch: a branch has roles of its own.',
    });
  }
  return { state: 'ok', summary: `${login} is in use.`, evidence: { role: login } };
}

/** Names the role and the sinks, and how long there will be a gap. */
export async function planPassword(context: AnyContext): Promise<Plan> {
  const url = await currentUrl(context);
  const { user: role } = loginOf(url);
  const neon = byNeon(context);
  const children = neon ? await (await neonOf(context)).children() : [];
  const sinks = await sinksOf(context, kind);
  const targets: PlanTarget[] = [
    {
      type: 'role',
      name: role,
      action: neon ? 'reset the password through Neon' : 'set a new password',
      state: {},
    },
    ...sinks.map(
      ({ id }): PlanTarget => ({
        type: 'sink',
        name: id,
        action: 'hand out the new password',
        state: { holds: role },
      }),
    ),
  ];
  const gap = neon
    ? `The old password of ${role} is dead at once, a moment before the sinks have the new one: connections that are made in between fail.`
    : `There is a gap: ${role} has one password. Who connects between the change and the next reading of the sinks is refused; two roles that alternate have no gap.`;
  return {
    summary: `${role} gets a new password${neon ? ' from Neon' : ''}. ${gap}`,
    targets,
    totals: { role },
    notes: [
      gap,
      'Sessions that are open stay open.',
      ...children.map(
        ({ name, id }) =>
          `Branch ${name} (${id}) was made from this one and keeps the old password.`,
      ),
    ],
  };
}

const roleOf = (context: AnyContext): string => String(context.plan?.totals.role ?? '');

/** Written down first: the password where we make it, the intent where Neon does. */
async function begun(context: AnyContext): Promise<Rotation> {
  const there = await rotationOf(context, kind);
  if (there !== undefined) return there;
  const { services, runId } = context;
  await requireNoOther(services.home, kind, runId);
  const url = await currentUrl(context);
  const role = roleOf(context);
  if (loginOf(url).user !== role) {
    throw refused('PLAN_CHANGED', `The login in use is no longer ${role}.`, {
      hint: 'Somebody else has rotated it; start anew.',
    });
  }
  const { variable } = settingsOf(context);
  const secret = byNeon(context) ? undefined : generatePassword();
  const fresh = secret === undefined ? undefined : { [variable]: withLogin(url, role, secret) };
  if (fresh !== undefined && secret !== undefined) hideValues(context, { ...fresh, secret });
  const rotation: Rotation = {
    kind,
    runId,
    from: role,
    to: role,
    moments: {},
    endSessions: false,
    old: { [variable]: url },
    fresh,
    secret,
  };
  await writeRotation(services.home, rotation);
  return rotation;
}

/**
 * Stages what is to be handed out: the new values, or, where they do not exist yet, the old ones,
 * which proves that every sink can be written before the old password is dead.
 */
export async function rehearse(context: AnyContext): Promise<JsonObject> {
  const rotation = await begun(context);
  const sinks = await sinksOf(context, kind);
  const values = rotation.fresh ?? rotation.old ?? {};
  try {
    await stageEverywhere(sinks, values);
  } catch (error) {
    await removeRotation(context.services.home, kind);
    throw error;
  }
  if (rotation.fresh === undefined) await unstageEverywhere(sinks, Object.keys(values));
  await note(context, rotation, 'stored');
  return { sinks: sinks.map(({ id }) => id) };
}

/** Whether every sink has taken the values once. */
export async function verifyRehearsed(context: AnyContext): Promise<Verified> {
  const done = (await rotationOf(context, kind))?.moments.stored !== undefined;
  return { done, summary: done ? 'Every sink took it.' : 'Not every sink has taken it.' };
}

/** Removes what was staged for the rehearsal, and the record of the rotation. */
export async function undoRehearse(context: AnyContext): Promise<void> {
  const { variable } = settingsOf(context);
  await unstageEverywhere(await sinksOf(context, kind), [variable]);
  await removeRotation(context.services.home, kind);
}

/** Whether nothing is staged and nothing of the rotation is kept. */
export async function verifyUnrehearsed(context: AnyContext): Promise<Verified> {
  const kept = await verifyFinished(context, kind);
  return kept.done ? verifyUnstored(context, kind) : kept;
}

/**
 * Changes password and sinks in one transaction: a sink that fails takes the password back, and the
 * gap is what lies between the sinks and the commit.
 */
export async function switchPassword(context: AnyContext): Promise<JsonObject> {
  const rotation = await mustRotation(context, kind);
  const { secret } = rotation;
  if (secret === undefined) throw new Error('There is no new password.');
  const verifier = await scramVerifier(secret);
  const sinks = await sinksOf(context, kind);
  await asItself(context, rotation, (client) =>
    client.transaction(async () => {
      await setPassword(client, rotation.from, verifier, { login: false });
      await promoteEverywhere(sinks, freshOf(rotation), rotation.old);
    }),
  );
  await note(context, await note(context, rotation, 'created'), 'cutOver');
  return { role: rotation.from };
}

/** Puts the old password back, and hands it out. */
export async function undoSwitch(context: AnyContext): Promise<void> {
  const rotation = await mustRotation(context, kind);
  const { password } = loginOf(urlOf(context, rotation.old));
  const { old } = rotation;
  if (password === undefined || old === undefined || !/^[\x21-\x7e]+$/.test(password)) {
    throw failed('OLD_PASSWORD_UNKNOWN', 'The old password cannot be set again.', {
      hint: 'Go on with the run, and start another rotation.',
    });
  }
  const sinks = await sinksOf(context, kind);
  if (await canLogIn(urlOf(context, rotation.fresh), loginOptions(context))) {
    const verifier = await scramVerifier(password);
    await asItself(context, rotation, (client) =>
      client.transaction(async () => {
        await setPassword(client, rotation.from, verifier, { login: false });
        await promoteEverywhere(sinks, old, freshOf(rotation));
      }),
    );
  } else {
    // The old password was never changed, or is set again already.
    requireNone(await restoreEverywhere(sinks, old));
  }
  await unnote(context, rotation, 'cutOver');
}

/** Whether the old password works again, and every sink hands it out. */
export async function verifySwitchedBack(context: AnyContext): Promise<Verified> {
  const { from, old } = await mustRotation(context, kind);
  const works = await canLogIn(urlOf(context, old), loginOptions(context));
  return works
    ? verifyCutBack(context, kind)
    : { done: false, summary: `${from} does not log in with the old password.` };
}

/** Has Neon reset the password, keeps it at once, and hands it out. */
export async function resetPassword(context: AnyContext): Promise<JsonObject> {
  let rotation = await mustRotation(context, kind);
  if (rotation.fresh === undefined) {
    const password = await askNeon(context, rotation);
    hide(context, password);
    const { variable } = settingsOf(context);
    const fresh = { [variable]: withLogin(urlOf(context, rotation.old), rotation.from, password) };
    hideValues(context, fresh);
    rotation = { ...(await mustRotation(context, kind)), fresh, secret: password };
    await writeRotation(context.services.home, rotation);
  }
  // The old password is dead: nothing is put back, and every sink that can has the new one.
  const failures = await promoteEach(await sinksOf(context, kind), freshOf(rotation));
  if (failures.length > 0) {
    throw partial('SINK_FAILED', `The new password is not handed out by ${failures.join('; ')}.`, {
      hint: 'Cure the sink and resume the run at once: the old password is dead. The new one is kept.',
    });
  }
  await note(context, rotation, 'cutOver');
  return { role: rotation.from };
}

/** The new password; where the answer to an earlier reset was lost, the one that it made. */
async function askNeon(context: AnyContext, rotation: Rotation): Promise<string> {
  const neon = await neonOf(context);
  const { password: old } = loginOf(urlOf(context, rotation.old));
  if (rotation.moments.created !== undefined) {
    const revealed = await neon.reveal(rotation.from);
    if (revealed !== old) return revealed;
  }
  await note(context, rotation, 'created');
  return neon.reset(rotation.from);
}

/** Whether the new password logs in and every sink that can be read hands it out. */
export async function verifySwitched(context: AnyContext): Promise<Verified> {
  const rotation = await mustRotation(context, kind);
  const { fresh } = rotation;
  if (fresh === undefined) return { done: false, summary: 'There is no new password yet.' };
  const sinks = await sinksOf(context, kind);
  const left = await lacking(sinks, 'current', fresh);
  const works = await canLogIn(urlOf(context, fresh), loginOptions(context));
  const blind = sinks.some(({ readable }) => !readable);
  const done = left.length === 0 && works && (!blind || rotation.moments.cutOver !== undefined);
  return {
    done,
    summary: done
      ? `${rotation.from} logs in with the new password, and every sink hands it out.`
      : works
        ? 'Not every sink hands out the new password.'
        : `${rotation.from} does not log in with the new password.`,
  };
}

/** Several logins in a row: one success proves nothing behind a pooler or with replicas. */
export async function proveLogin(context: AnyContext): Promise<Finding> {
  const { verifications } = settingsOf(context);
  const rotation = await mustRotation(context, kind);
  for (let times = 0; times < verifications; times += 1) {
    await logIn(urlOf(context, rotation.fresh), loginOptions(context));
  }
  return { state: 'ok', summary: `${rotation.from} logged in ${verifications} times in a row.` };
}

import { setTimeout as delay } from 'node:timers/promises';
import { accessAs } from '../../credentials/aws/access.js';
import { identify } from '../../credentials/aws/identity.js';
import type { UserKeys } from '../../credentials/aws/keys.js';
import {
  type Rotation,
  removeRotation,
  requireNoOther,
  writeRotation,
} from '../../credentials/record.js';
import { failed, refused, throwIfAborted } from '../../system/errors.js';
import type { JsonObject, Readiness, Verified } from '../engine/definition.js';
import { keyOf, ownAccess, valuesOf } from './aws-access.js';
import { inUse, keysOf, planned, settingsOf, subject } from './aws-preflight.js';
import type { AnyContext } from './context.js';
import { hoursAfter, mustRotation, note, pauseAfter, rotationOf, unnote } from './rotation.js';
import { goneBack, storeFresh } from './rotation-sinks.js';
import { hideValues } from './secrets.js';

const kind = 'aws';

/** The rotation of this run, written down before anything of it happens. */
async function begun(context: AnyContext): Promise<Rotation> {
  const there = await rotationOf(context, kind);
  if (there !== undefined) return there;
  const { services, runId } = context;
  await requireNoOther(services.home, kind, runId);
  const { user, from } = planned(context);
  const { caller } = await subject(context);
  const old = await inUse(context, caller, user);
  if (old.AWS_ACCESS_KEY_ID !== from) {
    throw refused('PLAN_CHANGED', `The key in use is no longer ${from}.`, {
      hint: 'Somebody else has rotated it; start anew.',
    });
  }
  const rotation: Rotation = {
    kind,
    runId,
    from,
    to: null,
    moments: {},
    endSessions: false,
    old,
    fresh: undefined,
    secret: undefined,
  };
  await writeRotation(services.home, rotation);
  return rotation;
}

/** The new key, made unless it is there. */
async function keyMade(context: AnyContext): Promise<Rotation> {
  const { services } = context;
  const { user, from } = planned(context);
  const rotation = await begun(context);
  const keys = await keysOf(context, user);
  const listed = (await keys.list()).filter(({ id }) => id !== from);
  if (rotation.fresh !== undefined) {
    if (await isListed(keys, rotation.to ?? '', context.signal)) {
      return note(context, rotation, 'created');
    }
    context.warn(`Key ${rotation.to} of this run was deleted by somebody else; another is made.`);
  }
  // Its secret went lost between IAM's answer and our disk: nobody can ever use it.
  for (const { id } of listed) await removeOrphan(context, keys, id);
  const key = await keys.create();
  hideValues(context, valuesOf(key));
  const made: Rotation = { ...rotation, to: key.accessKeyId, fresh: valuesOf(key) };
  try {
    await writeRotation(services.home, made);
  } catch (error) {
    await keys.remove(key.accessKeyId);
    throw error;
  }
  return note(context, made, 'created');
}

async function removeOrphan(context: AnyContext, keys: UserKeys, id: string): Promise<void> {
  const use = await keys.lastUse(id);
  if (use !== undefined) {
    throw refused(
      'KEY_UNEXPECTED',
      `${keys.user} has another key now, ${id}, which was used at ${use.at.toISOString()}.`,
      { hint: 'Somebody else made it since the plan was shown. Find out who, then start anew.' },
    );
  }
  context.output(`Key ${id} was made by this run and its secret is lost; it is deleted.`);
  await keys.remove(id);
}

/** How long a key may take to appear in the list, or to be gone from it, in seconds. */
const listSeconds = 30;

/** Whether the list comes to be as it should, which may take a while. */
async function comesToList(
  keys: UserKeys,
  expected: (ids: readonly string[]) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + listSeconds * 1000;
  for (let pause = 100; ; pause = Math.min(pause * 2, 3000)) {
    if (expected((await keys.list()).map(({ id }) => id))) return true;
    if (performance.now() > until) return false;
    await delay(pause, undefined, { signal }).catch(() => throwIfAborted(signal));
  }
}

const isListed = (keys: UserKeys, id: string, signal: AbortSignal): Promise<boolean> =>
  comesToList(keys, (ids) => ids.includes(id), signal);

/** Makes the new key, unless this run has made it; its secret is kept, sealed. */
export async function createKey(context: AnyContext): Promise<JsonObject> {
  const { to } = await keyMade(context);
  return { key: to };
}

/** Whether the record has the new key and IAM lists it. */
export async function verifyCreated(context: AnyContext): Promise<Verified> {
  const { user } = planned(context);
  const rotation = await rotationOf(context, kind);
  if (rotation?.fresh === undefined || rotation.to === null) {
    return { done: false, summary: 'There is no new key yet.' };
  }
  const done = await isListed(await keysOf(context, user), rotation.to, context.signal);
  return {
    done,
    summary: done
      ? `${user} has the new key ${rotation.to}; its secret is kept, sealed.`
      : `IAM does not list ${rotation.to}.`,
  };
}

/** Deletes the new key, or one whose secret was lost on the way, and the record of the rotation. */
export async function undoCreate(context: AnyContext): Promise<void> {
  const { user, from } = planned(context);
  const keys = await keysOf(context, user);
  const rotation = await rotationOf(context, kind);
  if (rotation?.to) await keys.remove(rotation.to);
  // One whose secret was lost on the way is in no record.
  else if (rotation !== undefined) {
    for (const { id } of await keys.list()) if (id !== from) await removeOrphan(context, keys, id);
  }
  await removeRotation(context.services.home, kind);
}

/** Whether the old key is alone again, as before: asked of IAM, since the record is gone. */
export async function verifyUncreated(context: AnyContext): Promise<Verified> {
  const { user, from } = planned(context);
  const keys = await keysOf(context, user);
  const done = await comesToList(keys, (ids) => ids.every((id) => id === from), context.signal);
  return {
    done,
    summary: done
      ? `${user} has no other key than ${from}.`
      : `${user} still has another key than ${from}: aws iam list-access-keys --user-name ${user}`,
  };
}

/**
 * Stages the new key in every sink; when one fails, the key is deleted.
 *
 * @throws SINK_FAILED (exit 1)
 */
export const storeKey = async (context: AnyContext): Promise<JsonObject> =>
  storeFresh(context, kind, await keyMade(context), () => undoCreate(context));

/** Waits `credentials.aws.soakHours` after the cut-over. */
export const soakKey = (context: AnyContext): Promise<Readiness> =>
  pauseAfter(
    context,
    kind,
    'cutOver',
    settingsOf(context).soakHours,
    `${planned(context).from} stays usable`,
  );

/** Whether the old key is out of use: by its last use, and the time its rarest consumer needs. */
export async function oldKeyUnused(context: AnyContext): Promise<Readiness> {
  const { user, from } = planned(context);
  const { consumers, soakHours } = settingsOf(context);
  const { moments } = await mustRotation(context, kind);
  const cutOverAt = new Date(moments.cutOver ?? context.services.now());
  const use = await (await keysOf(context, user)).lastUse(from);
  const usedSince = use !== undefined && use.at > cutOverAt;
  const rarest = consumers.toSorted((a, b) => b.everyHours - a.everyHours)[0];
  const quietHours = rarest?.everyHours ?? soakHours;
  const due = hoursAfter(usedSince ? use.at : cutOverAt, quietHours);
  const over = due.getTime() <= context.services.now().getTime();
  const who =
    rarest === undefined ? '' : ` ${rarest.name} uses it every ${rarest.everyHours} hours.`;
  const last =
    use === undefined
      ? `${from} was never used.`
      : `${from} was last used at ${use.at.toISOString()} for ${use.service} in ${use.region}, ${usedSince ? 'after' : 'before'} the cut-over.`;
  return over
    ? { ready: true, summary: `${last}${who} That time is over.` }
    : { ready: false, due, reason: `${last}${who} Looked at again at ${due.toISOString()}.` };
}

/**
 * Deactivates the old key, once the new one is proven to work.
 *
 * @throws NEW_KEY_NOT_IN_USE (exit 1) when a sink went back; what STS throws for the new key
 */
export async function deactivate(context: AnyContext): Promise<JsonObject> {
  const { user, from } = planned(context);
  const rotation = await mustRotation(context, kind);
  const left = await goneBack(context, kind, rotation);
  if (left.length > 0) {
    throw failed(
      'NEW_KEY_NOT_IN_USE',
      `${from} is not deactivated: ${left.join(', ')} no longer hands out ${rotation.to}.`,
      { hint: 'Find out who changed it. Resume the run, or take it back with --undo.' },
    );
  }
  // Throws when the new key does not work.
  await identify(accessAs(await ownAccess(context), keyOf(rotation.fresh ?? {})));
  await (await keysOf(context, user)).setActive(from, false);
  await note(context, rotation, 'revoked');
  return { key: from };
}

async function stateOf(context: AnyContext): Promise<'active' | 'inactive' | 'gone'> {
  const { user, from } = planned(context);
  const key = (await (await keysOf(context, user)).list()).find(({ id }) => id === from);
  if (key === undefined) return 'gone';
  return key.active ? 'active' : 'inactive';
}

/** Whether the old key is inactive or gone, as IAM says. */
export async function verifyDeactivated(context: AnyContext): Promise<Verified> {
  const state = await stateOf(context);
  return { done: state !== 'active', summary: `${planned(context).from} is ${state}.` };
}

/** Activates the old key again. */
export async function undoDeactivate(context: AnyContext): Promise<void> {
  const { user, from } = planned(context);
  await (await keysOf(context, user)).setActive(from, true);
  await unnote(context, await mustRotation(context, kind), 'revoked');
}

/** Waits `credentials.aws.graceHours` after the old key was deactivated. */
export const grace = (context: AnyContext): Promise<Readiness> =>
  pauseAfter(
    context,
    kind,
    'revoked',
    settingsOf(context).graceHours,
    `${planned(context).from} stays inactive and can be activated again`,
  );

/**
 * Deletes the old key.
 *
 * @throws KEY_REACTIVATED (exit 1) when somebody needed it again
 */
export async function deleteKey(context: AnyContext): Promise<JsonObject> {
  const { user, from } = planned(context);
  if ((await stateOf(context)) === 'active') {
    throw failed(
      'KEY_REACTIVATED',
      `${from} was activated again by somebody, who needs it; it is not deleted.`,
      {
        hint: 'Find out who, and let them use the new key. Deactivate it, then resume the run; or take it back with --undo.',
      },
    );
  }
  await (await keysOf(context, user)).remove(from);
  return { key: from };
}

/** Whether IAM no longer lists the old key. */
export async function verifyDeleted(context: AnyContext): Promise<Verified> {
  const state = await stateOf(context);
  return { done: state === 'gone', summary: `${planned(context).from} is ${state}.` };
}

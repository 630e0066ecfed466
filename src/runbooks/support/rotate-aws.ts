import { setTimeout as delay } from 'node:timers/promises';
import { type AwsKey, accessAs } from '../../credentials/aws/access.js';
import { type AwsIdentity, identify } from '../../credentials/aws/identity.js';
import { type KeyState, UserKeys } from '../../credentials/aws/keys.js';
import { type LayerRights, succeedInARow, useLake } from '../../credentials/aws/prove.js';
import {
  type Rotation,
  removeRotation,
  requireNoOther,
  type Values,
  writeRotation,
} from '../../credentials/record.js';
import { currentValues } from '../../credentials/store.js';
import { type Lake, type Layer, layers } from '../../lake/lake.js';
import { failed, isOperatorError, refused, throwIfAborted } from '../../system/errors.js';
import type { Finding, JsonObject, Readiness, Verified } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { awsAccess, keyOf, ownAccess, valuesOf } from './aws-access.js';
import type { AnyContext } from './context.js';
import {
  hoursAfter,
  mustRotation,
  note,
  pauseAfter,
  rotationOf,
  sinksOf,
  unnote,
} from './rotation.js';
import { goneBack, storeFresh } from './rotation-sinks.js';
import { hideValues } from './secrets.js';

const kind = 'aws';

/** The names under which a key is handed out: those that every SDK reads. */
export const keyNames = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

/** IAM gives a user no more. */
const mostKeys = 2;

const settingsOf = (context: AnyContext) => context.services.config.credentials.aws;

/** The user whose key rotates, and who asks for it. */
async function subject(context: AnyContext): Promise<{ user: string; caller: AwsIdentity }> {
  const caller = await identify(await awsAccess(context));
  const { user: configured } = settingsOf(context);
  const itself = configured === undefined || configured === caller.user;
  if (caller.temporary && itself) {
    throw refused(
      'SESSION_CREDENTIALS',
      `The credentials in use are temporary (${caller.arn}): they end by themselves, and cannot rotate a key.`,
      {
        hint: 'Name the IAM user whose key rotates in credentials.aws.user and run this with a role that may manage it; or unset AWS_SESSION_TOKEN and use the long-term key itself.',
      },
    );
  }
  const user = configured ?? caller.user;
  if (user === undefined) {
    throw refused('NO_IAM_USER', `${caller.arn} is no IAM user; it has no keys that rotate here.`, {
      hint: caller.arn.endsWith(':root')
        ? 'Delete the keys of root; make an IAM user for this system and use its key.'
        : 'Name the IAM user whose key rotates in credentials.aws.user.',
    });
  }
  return { user, caller };
}

const keysOf = async (context: AnyContext, user: string): Promise<UserKeys> =>
  new UserKeys(user, await awsAccess(context));

export async function checkIdentity(context: AnyContext): Promise<Finding> {
  await requireNoOther(context.services.home, kind, context.runId);
  const { user, caller } = await subject(context);
  return {
    state: 'ok',
    summary: `${caller.arn} rotates the key of ${user}.`,
    evidence: { arn: caller.arn, user },
  };
}

/** What a rotation asks of IAM. */
const actions = [
  'iam:ListAccessKeys',
  'iam:CreateAccessKey',
  'iam:GetAccessKeyLastUsed',
  'iam:UpdateAccessKey',
  'iam:DeleteAccessKey',
];

/** Whether the policies allow all of it, denies and boundaries included; where that can be asked. */
export async function checkRights(context: AnyContext): Promise<Finding> {
  const { user, caller } = await subject(context);
  const keys = await keysOf(context, user);
  const partition = caller.arn.split(':')[1] ?? 'aws';
  const own = `arn:${partition}:iam::${caller.account}:user/${user}`;
  let decisions: { action: string; decision: string }[];
  try {
    const resource = caller.user === user ? caller.arn : own;
    decisions = await keys.simulate(roleArn(caller.arn), actions, resource);
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    // That it cannot be simulated says nothing of the rights themselves.
    return {
      state: 'unknown',
      summary: `It cannot be simulated beforehand (${error.message}) A right that is missing shows when it is used; nothing is lost then.`,
    };
  }
  const missing = decisions.filter(({ decision }) => decision !== 'allowed');
  if (missing.length === 0) return { state: 'ok', summary: `Allowed: ${actions.join(', ')}.` };
  const words = missing.map(({ action, decision }) =>
    decision === 'explicitDeny' ? `${action} (an explicit deny)` : action,
  );
  throw refused('ROTATION_NOT_ALLOWED', `${caller.arn} may not: ${words.join(', ')}.`, {
    hint: 'Change its policy, permissions boundary or the organisation’s policy; docs/credentials.md has one that is enough.',
  });
}

/** Policies belong to the role, not to its session. */
const roleArn = (arn: string): string =>
  arn.replace(/^(arn:[^:]+):sts(::\d+):assumed-role\/([^/]+)\/.*$/, '$1:iam$2:role/$3');

/** The key that is in use: what sinks hand out, else our own. */
async function inUse(context: AnyContext, caller: AwsIdentity, user: string): Promise<Values> {
  const held = await currentValues(await sinksOf(context, kind), keyNames);
  if (held !== undefined) {
    hideValues(context, held);
    return held;
  }
  if (caller.user === user && !caller.temporary) {
    const values = valuesOf(caller.key);
    hideValues(context, values);
    return values;
  }
  throw refused('NOTHING_TO_ROTATE', `No sink hands out a key of ${user}.`, {
    hint: 'Put the present key into a sink that can be read (credentials.aws.sinks), or run this with that key.',
  });
}

interface Present {
  user: string;
  old: Values;
  key: KeyState;
}

/** The one key that rotates. @throws KEY_LIMIT, KEY_UNEXPECTED (exit 3) */
async function present(context: AnyContext): Promise<Present> {
  const { user, caller } = await subject(context);
  const keys = await (await keysOf(context, user)).list();
  const old = await inUse(context, caller, user);
  const id = old.AWS_ACCESS_KEY_ID ?? '';
  const key = keys.find((one) => one.id === id);
  if (key === undefined) {
    throw refused('KEY_UNEXPECTED', `The key in use, ${id}, is none of ${user}'s.`, {
      hint: 'Correct credentials.aws.user, or put the right key into the sinks.',
    });
  }
  if (!key.active) {
    throw refused('KEY_INACTIVE', `The key in use, ${id}, is inactive.`, {
      hint: `Put the active key into the sinks, or activate this one: aws iam update-access-key --user-name ${user} --access-key-id ${id} --status Active`,
    });
  }
  const others = keys.filter((one) => one.id !== id);
  const [other] = others;
  if (keys.length >= mostKeys && other !== undefined) {
    const use = await (await keysOf(context, user)).lastUse(other.id);
    const used =
      use === undefined ? 'never used' : `last used ${use.at.toISOString()} for ${use.service}`;
    throw refused(
      'KEY_LIMIT',
      `${user} has ${keys.length} keys, and IAM gives no more: beside ${id} there is ${other.id} (${other.active ? 'active' : 'inactive'}, ${used}).`,
      {
        hint: `Find out whose it is. When nobody needs it: aws iam delete-access-key --user-name ${user} --access-key-id ${other.id}`,
      },
    );
  }
  return { user, old, key };
}

export async function checkKeys(context: AnyContext): Promise<Finding> {
  const { user, key } = await present(context);
  const days = Math.floor(
    (context.services.now().getTime() - key.createdAt.getTime()) / 86_400_000,
  );
  return {
    state: 'ok',
    summary: `${user} has one key, ${key.id}, ${days} days old; there is room for another.`,
    evidence: { user, key: key.id, createdAt: key.createdAt.toISOString() },
  };
}

export async function planAws(context: AnyContext): Promise<Plan> {
  const { user, key } = await present(context);
  const { soakHours, graceHours, consumers } = settingsOf(context);
  const sinks = await sinksOf(context, kind);
  const targets: PlanTarget[] = [
    { type: 'user', name: user, action: 'create a key', state: { keys: [key.id] } },
    ...sinks.map(
      ({ id }): PlanTarget => ({
        type: 'sink',
        name: id,
        action: 'hand out the new key',
        state: { holds: key.id },
      }),
    ),
    {
      type: 'key',
      name: key.id,
      action: 'deactivate, then delete',
      state: { createdAt: key.createdAt.toISOString(), active: true },
    },
  ];
  const cadence =
    consumers.length === 0
      ? 'No consumer is named (credentials.aws.consumers): one that uses the key rarely would not be noticed.'
      : `The old key counts as unused when ${consumers.map(({ name, everyHours }) => `${name} (every ${everyHours} h)`).join(', ')} had time to use it.`;
  return {
    summary: `${user} gets a new key; ${key.id} is deactivated when nobody uses it any more, and deleted ${graceHours} hours later.`,
    targets,
    totals: { user, from: key.id },
    notes: [
      `The run waits ${soakHours} hours after the cut-over, then for the last use of the old key, then ${graceHours} hours before it deletes it. \`credentials rotate aws --continue\` goes on each time.`,
      cadence,
      'Until the old key is deleted everything can be taken back: credentials rotate aws --undo.',
    ],
  };
}

function planned(context: AnyContext): { user: string; from: string } {
  const { user, from } = (context.plan?.totals ?? {}) as Record<string, string>;
  if (!user || !from) throw new Error('The plan names no key.');
  return { user, from };
}

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

/** How long a key may take to appear in the list, in seconds. */
const listSeconds = 30;

async function isListed(keys: UserKeys, id: string, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + listSeconds * 1000;
  for (let pause = 100; ; pause = Math.min(pause * 2, 3000)) {
    if ((await keys.list()).some((key) => key.id === id)) return true;
    if (performance.now() > until) return false;
    await delay(pause, undefined, { signal }).catch(() => throwIfAborted(signal));
  }
}

export async function createKey(context: AnyContext): Promise<JsonObject> {
  const { to } = await keyMade(context);
  return { key: to };
}

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

export const storeKey = async (context: AnyContext): Promise<JsonObject> =>
  storeFresh(context, kind, await keyMade(context), () => undoCreate(context));

/** The lake, opened with a key. */
export async function lakeAs(context: AnyContext, key: AwsKey): Promise<Lake> {
  const { services, signal } = context;
  const { openLake } = await import('../../lake/open.js');
  const { lookup, profile } = await services.surroundings();
  return openLake(services.config.lake, {
    home: services.home,
    profile,
    signal,
    aws: async () => ({
      credentials: { ...key, sessionToken: key.sessionToken },
      profile: undefined,
      region: (lookup('AWS_REGION') ?? lookup('AWS_DEFAULT_REGION'))?.value,
      endpoint: (lookup('AWS_ENDPOINT_URL_S3') ?? lookup('AWS_ENDPOINT_URL'))?.value,
    }),
  });
}

/** What the key has to be able to do, in the layers that are on S3. */
export async function rightsOnS3(context: AnyContext): Promise<LayerRights> {
  const { layerRights } = await import('../../lake/policy.js');
  const { lake } = context.services.config;
  const rights = layerRights[settingsOf(context).role];
  const onS3 = layers.filter((layer: Layer) => (lake.layers[layer].kind ?? lake.kind) === 's3');
  return Object.fromEntries(
    onS3.flatMap((layer) => (rights[layer] === undefined ? [] : [[layer, rights[layer]]])),
  );
}

/** STS says who it is, and the lake is used as its consumers do, several times in a row. */
export async function proveKey(context: AnyContext): Promise<Finding> {
  const { verifications: times, verifyTimeoutSeconds: seconds } = settingsOf(context);
  const { user } = planned(context);
  const { fresh } = await mustRotation(context, kind);
  const key = keyOf(fresh ?? {});
  const access = accessAs(await ownAccess(context), key);
  const rights = await rightsOnS3(context);
  const failures = await succeedInARow(
    async () => {
      const { user: holder, arn } = await identify({ ...access, maxAttempts: 1 });
      if (holder !== user) throw failed('KEY_OF_ANOTHER', `The new key belongs to ${arn}.`);
      // Opened anew each time: a connection that is known already proves less.
      await useLake(await lakeAs(context, key), rights);
    },
    {
      times,
      seconds,
      signal: context.signal,
      onFailure: (message) => context.output(`Not everywhere yet: ${message}`),
    },
  );
  const used = Object.entries(rights).map(([layer, right]) => `${layer} (${right})`);
  return {
    state: 'ok',
    summary: `It worked ${times} times in a row with STS${used.length === 0 ? '' : ` and S3: ${used.join(', ')}`}${failures === 0 ? '' : `, after ${failures} failures at first`}.`,
    evidence: { times, failures },
  };
}

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

export async function verifyDeactivated(context: AnyContext): Promise<Verified> {
  const state = await stateOf(context);
  return { done: state !== 'active', summary: `${planned(context).from} is ${state}.` };
}

export async function undoDeactivate(context: AnyContext): Promise<void> {
  const { user, from } = planned(context);
  await (await keysOf(context, user)).setActive(from, true);
  await unnote(context, await mustRotation(context, kind), 'revoked');
}

export const grace = (context: AnyContext): Promise<Readiness> =>
  pauseAfter(
    context,
    kind,
    'revoked',
    settingsOf(context).graceHours,
    `${planned(context).from} stays inactive and can be activated again`,
  );

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

export async function verifyDeleted(context: AnyContext): Promise<Verified> {
  const state = await stateOf(context);
  return { done: state === 'gone', summary: `${planned(context).from} is ${state}.` };
}

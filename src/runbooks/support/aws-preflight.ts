import { type AwsIdentity, identify } from '../../credentials/aws/identity.js';
import { type KeyState, UserKeys } from '../../credentials/aws/keys.js';
import { requireNoOther, type Values } from '../../credentials/record.js';
import { currentValues } from '../../credentials/store.js';
import { isOperatorError, refused } from '../../system/errors.js';
import type { Finding } from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { awsAccess, valuesOf } from './aws-access.js';
import type { AnyContext } from './context.js';
import { sinksOf } from './rotation.js';
import { hideValues } from './secrets.js';

/** What is found out before an access key rotates. */

const kind = 'aws';

/** The names under which a key is handed out: those that every SDK reads. */
export const keyNames = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

/** IAM gives a user no more. */
const mostKeys = 2;

export const settingsOf = (context: AnyContext) => context.services.config.credentials.aws;

/** The user whose key rotates, and who asks for it. */
export async function subject(context: AnyContext): Promise<{ user: string; caller: AwsIdentity }> {
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

export const keysOf = async (context: AnyContext, user: string): Promise<UserKeys> =>
  new UserKeys(user, await awsAccess(context));

/**
 * Who rotates whose key.
 *
 * @throws SESSION_CREDENTIALS, NO_IAM_USER, ROTATION_UNDER_WAY (exit 3)
 */
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
export async function inUse(
  context: AnyContext,
  caller: AwsIdentity,
  user: string,
): Promise<Values> {
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

/**
 * Whether the user has one key, active and known, with room for another.
 *
 * @throws KEY_UNEXPECTED, KEY_INACTIVE, KEY_LIMIT, NOTHING_TO_ROTATE (exit 3)
 */
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

/** Names the user, the sinks and the old key. Throws what `checkKeys` throws. */
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

/** From the plan: what was approved stays. */
export function planned(context: AnyContext): { user: string; from: string } {
  const { user, from } = (context.plan?.totals ?? {}) as Record<string, string>;
  if (!user || !from) throw new Error('The plan names no key.');
  return { user, from };
}

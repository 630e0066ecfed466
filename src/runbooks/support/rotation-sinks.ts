import { noteCredential } from '../../credentials/ledger.js';
import {
  type CredentialKind,
  type Rotation,
  removeRotation,
  type Values,
} from '../../credentials/record.js';
import {
  lacking,
  promoteEverywhere,
  restoreEverywhere,
  stagedIn,
  stageEverywhere,
  unstageEverywhere,
} from '../../credentials/store.js';
import { errorMessage, failed, isOperatorError, OperatorError } from '../../system/errors.js';
import type { Finding, JsonObject, Verified } from '../engine/definition.js';
import type { AnyContext } from './context.js';
import { mustRotation, note, rotationOf, sinksOf, unnote } from './rotation.js';

/** The steps of a rotation that are the same for every kind of credential. */

/** The new values, by the names under which they are handed out. Secret. */
export const freshOf = ({ fresh }: Rotation): Values => {
  if (fresh === undefined) throw new Error('There are no new values yet.');
  return fresh;
};

/** Whether every sink can be reached; says which cannot be read back. Changes nothing. */
export async function checkSinks(context: AnyContext, kind: CredentialKind): Promise<Finding> {
  const sinks = await sinksOf(context, kind);
  for (const sink of sinks) await sink.probe();
  const blind = sinks.filter(({ readable }) => !readable).map(({ id }) => id);
  const rest = blind.length === 0 ? '' : ` What ${blind.join(', ')} holds cannot be read back.`;
  return { state: 'ok', summary: `${sinks.map(({ id }) => id).join(', ')} can be written.${rest}` };
}

/** Stages the new values. When a sink fails, `undoAll` takes back the credential itself. */
export async function storeFresh(
  context: AnyContext,
  kind: CredentialKind,
  rotation: Rotation,
  undoAll: () => Promise<void>,
): Promise<JsonObject> {
  const sinks = await sinksOf(context, kind);
  try {
    await stageEverywhere(sinks, freshOf(rotation));
  } catch (error) {
    throw isSinkFailure(error) ? await takenBack(error, undoAll) : error;
  }
  await note(context, rotation, 'stored');
  return { sinks: sinks.map(({ id }) => id) };
}

const isSinkFailure = (error: unknown): error is OperatorError =>
  isOperatorError(error) && error.code === 'SINK_FAILED';

/** The failure of the sink, whatever happens while the rest is taken back: that one is the cause. */
async function takenBack(
  failure: OperatorError,
  undo: () => Promise<void>,
): Promise<OperatorError> {
  const { code, exitCode, message, hint, cause } = failure;
  const told = (text: string) =>
    new OperatorError(code, exitCode, `${message} ${text}`, {
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
  try {
    await undo();
    return told('Everything was taken back.');
  } catch (error) {
    return told(`The new credential could not be taken back either: ${errorMessage(error)}`);
  }
}

/** Whether every sink that can be read has the new values staged. */
export async function verifyStored(context: AnyContext, kind: CredentialKind): Promise<Verified> {
  const rotation = await rotationOf(context, kind);
  if (rotation?.moments.stored === undefined) {
    return { done: false, summary: 'The new credential is not stored everywhere.' };
  }
  const left = await lacking(await sinksOf(context, kind), 'staged', freshOf(rotation));
  return {
    done: left.length === 0,
    summary:
      left.length === 0
        ? 'Every sink holds the new credential, where nobody reads it yet.'
        : `It is not in ${left.join(', ')}.`,
  };
}

/**
 * Removes the staged values from every sink.
 *
 * @throws SINK_FAILED (exit 1)
 */
export async function undoStore(context: AnyContext, kind: CredentialKind): Promise<void> {
  const rotation = await rotationOf(context, kind);
  if (rotation?.fresh === undefined) return;
  const sinks = await sinksOf(context, kind);
  requireNone(await unstageEverywhere(sinks, Object.keys(rotation.fresh)));
  await unnote(context, rotation, 'stored');
}

/** Whether no sink has the new values staged: not even one of them. */
export async function verifyUnstored(context: AnyContext, kind: CredentialKind): Promise<Verified> {
  const { held, silent } = await stagedIn(await sinksOf(context, kind), namesOf(context, kind));
  return {
    done: held.length === 0,
    summary:
      held.length === 0
        ? `No sink holds the new credential${believed(silent)}.`
        : `The new credential is still staged in ${held.join(', ')}.`,
  };
}

/** Of what cannot be looked at again it is said that only the sink's own word is known. */
const believed = (silent: readonly string[]): string =>
  silent.length === 0
    ? ''
    : `, as far as can be seen; ${silent.join(', ')} took the order and cannot be read back`;

/** The names under which a credential is handed out. */
const namesOf = ({ services }: AnyContext, kind: CredentialKind): string[] =>
  kind === 'aws'
    ? ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
    : [services.config.credentials.database.variable];

/** From here on the sinks hand out the new values. */
export async function cutOver(context: AnyContext, kind: CredentialKind): Promise<JsonObject> {
  const rotation = await mustRotation(context, kind);
  const sinks = await sinksOf(context, kind);
  await promoteEverywhere(sinks, freshOf(rotation), rotation.old);
  await note(context, rotation, 'cutOver');
  return { sinks: sinks.map(({ id }) => id) };
}

/** Whether every sink that can be read hands out the new values; of others, the record is believed. */
export async function verifyCutOver(context: AnyContext, kind: CredentialKind): Promise<Verified> {
  const rotation = await mustRotation(context, kind);
  const sinks = await sinksOf(context, kind);
  const left = await lacking(sinks, 'current', freshOf(rotation));
  const blind = sinks.some(({ readable }) => !readable);
  const done = left.length === 0 && (!blind || rotation.moments.cutOver !== undefined);
  return {
    done,
    summary: `${done ? 'Every sink hands' : 'Not every sink hands'} out ${rotation.to}.`,
  };
}

/**
 * Puts the old values back into every sink.
 *
 * @throws OLD_VALUES_UNKNOWN, SINK_FAILED (exit 1)
 */
export async function undoCutOver(context: AnyContext, kind: CredentialKind): Promise<void> {
  const rotation = await mustRotation(context, kind);
  if (rotation.old === undefined) {
    throw failed('OLD_VALUES_UNKNOWN', 'No sink could be read, so what they held is not known.', {
      hint: 'Put the old values back by hand, or go on with the run.',
    });
  }
  requireNone(await restoreEverywhere(await sinksOf(context, kind), rotation.old));
  await unnote(context, rotation, 'cutOver');
}

/** Whether every sink that can be read hands out the old values again: one is not enough. */
export async function verifyCutBack(context: AnyContext, kind: CredentialKind): Promise<Verified> {
  const { from, old } = await mustRotation(context, kind);
  const sinks = await sinksOf(context, kind);
  const left = old === undefined ? [] : await lacking(sinks, 'current', old);
  const silent = sinks.filter(({ readable }) => !readable).map(({ id }) => id);
  return {
    done: old !== undefined && left.length === 0,
    summary:
      old === undefined
        ? 'What the sinks held before is not known.'
        : left.length === 0
          ? `Every sink hands out ${from} again${believed(silent)}.`
          : `${left.join(', ')} does not hand out ${from} again.`,
  };
}

/** Sinks that no longer hand out the new values: nothing old is revoked while there are any. */
export async function goneBack(
  context: AnyContext,
  kind: CredentialKind,
  rotation: Rotation,
): Promise<string[]> {
  return lacking(await sinksOf(context, kind), 'current', freshOf(rotation));
}

/** Removes the secrets of the rotation, and remembers when the credential was made. */
export async function finish(context: AnyContext, kind: CredentialKind): Promise<JsonObject> {
  const { services } = context;
  const rotation = await rotationOf(context, kind);
  if (rotation === undefined) return {};
  const madeAt = rotation.moments.created ?? services.now().toISOString();
  await noteCredential(services.home, {
    kind,
    id: rotation.to ?? rotation.from,
    madeAt,
    by: 'rotation',
  });
  await removeRotation(services.home, kind);
  return { madeAt };
}

/** Whether the secrets of the rotation are gone. */
export async function verifyFinished(context: AnyContext, kind: CredentialKind): Promise<Verified> {
  const done = (await rotationOf(context, kind)) === undefined;
  return {
    done,
    summary: done ? 'Nothing of the rotation is kept.' : 'Its secrets are still kept.',
  };
}

/** @throws SINK_FAILED when something could not be taken back */
export function requireNone(left: readonly string[]): void {
  if (left.length === 0) return;
  throw failed('SINK_FAILED', `It could not be taken back in ${left.join('; ')}.`, {
    hint: 'Cure the sink, then run the same again.',
  });
}

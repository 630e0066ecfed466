import type { Config } from '../../config/schema.js';
import {
  type CredentialKind,
  type Rotation,
  readRotation,
  writeRotation,
} from '../../credentials/record.js';
import { openSinks } from '../../credentials/sinks/open.js';
import type { RunProgram, Sink } from '../../credentials/sinks/sink.js';
import type { Readiness } from '../engine/definition.js';
import { runCommand } from '../engine/process.js';
import { awsAccess } from './aws-access.js';
import type { AnyContext } from './context.js';
import { hide } from './secrets.js';

const hourMilliseconds = 3_600_000;
export const hoursAfter = (moment: string | Date, hours: number): Date =>
  new Date(new Date(moment).getTime() + hours * hourMilliseconds);

/** The sinks of a credential. Their programs show what they print as output of the step. */
export async function sinksOf(context: AnyContext, kind: CredentialKind): Promise<Sink[]> {
  const { services, signal } = context;
  const { lookup, directory } = await services.surroundings();
  const runProgram: RunProgram = async (words, { quiet, ...options }) => {
    const output = quiet ? () => undefined : context.output;
    return runCommand({ signal, output }, words, options);
  };
  const aws = () => awsAccess(context);
  const settings: Config['credentials'] = services.config.credentials;
  return openSinks(settings[kind].sinks, { lookup, directory, runProgram, signal, aws });
}

/** The rotation of this very run; undefined before it began and after it was taken back. */
export async function rotationOf(
  context: AnyContext,
  kind: CredentialKind,
): Promise<Rotation | undefined> {
  const rotation = await readRotation(context.services.home, kind, (value) => hide(context, value));
  return rotation?.runId === context.runId ? rotation : undefined;
}

/** The rotation of this run, which has begun. */
export async function mustRotation(context: AnyContext, kind: CredentialKind): Promise<Rotation> {
  const rotation = await rotationOf(context, kind);
  if (rotation !== undefined) return rotation;
  throw new Error(`Run ${context.runId} has no rotation of ${kind} under way.`);
}

/** Writes down that something has come to pass, once. */
export async function note(
  context: AnyContext,
  rotation: Rotation,
  moment: keyof Rotation['moments'],
): Promise<Rotation> {
  if (rotation.moments[moment] !== undefined) return rotation;
  const moments = { ...rotation.moments, [moment]: context.services.now().toISOString() };
  const noted = { ...rotation, moments };
  await writeRotation(context.services.home, noted);
  return noted;
}

/** Takes back that something has come to pass. */
export async function unnote(
  context: AnyContext,
  rotation: Rotation,
  moment: keyof Rotation['moments'],
): Promise<void> {
  const { [moment]: _, ...moments } = rotation.moments;
  await writeRotation(context.services.home, { ...rotation, moments });
}

/** A pause from a moment on. One that a crash kept from being noted counts from now. */
export async function pauseAfter(
  context: AnyContext,
  kind: CredentialKind,
  moment: keyof Rotation['moments'],
  hours: number,
  what: string,
): Promise<Readiness> {
  const { moments } = await note(context, await mustRotation(context, kind), moment);
  const due = hoursAfter(moments[moment] ?? context.services.now(), hours);
  if (due.getTime() <= context.services.now().getTime()) {
    return { ready: true, summary: `${what}: ${hours} hours are over.` };
  }
  return { ready: false, due, reason: `${what} until ${due.toISOString()}.` };
}

import { errorMessage, failed, isOperatorError, OperatorError } from '../system/errors.js';
import type { Values } from './record.js';
import { type Sink, sameValues } from './sinks/sink.js';

/**
 * Stages the values in every sink, where no consumer looks yet. When one of them does not take or
 * hold them, they are removed from all.
 *
 * @throws SINK_FAILED, naming the sink
 */
export async function stageEverywhere(sinks: readonly Sink[], values: Values): Promise<void> {
  for (const sink of sinks) {
    try {
      await sink.stage(values);
      await requireHeld(sink, 'staged', values);
    } catch (error) {
      const left = await unstageEverywhere(sinks, Object.keys(values));
      throw sinkFailed(sink, error, left);
    }
  }
}

/** Removes what was staged; gives the sinks in which it could not be. */
export async function unstageEverywhere(
  sinks: readonly Sink[],
  names: readonly string[],
): Promise<string[]> {
  return eachOf(sinks, (sink) => sink.unstage(names));
}

/**
 * Makes the values current in every sink. When one of them fails, those that were switched get
 * the old ones back, which still work.
 *
 * @throws SINK_FAILED
 */
export async function promoteEverywhere(
  sinks: readonly Sink[],
  fresh: Values,
  old: Values | undefined,
): Promise<void> {
  const touched: Sink[] = [];
  for (const sink of sinks) {
    touched.push(sink);
    try {
      await sink.promote(fresh);
      await requireHeld(sink, 'current', fresh);
    } catch (error) {
      const left =
        old === undefined
          ? touched.map(({ id }) => id)
          : await eachOf(touched.toReversed(), (one) => one.promote(old));
      throw sinkFailed(sink, error, left);
    }
  }
}

/** Hands the values out wherever that is possible; gives the sinks in which it is not. */
export const promoteEach = (sinks: readonly Sink[], values: Values): Promise<string[]> =>
  eachOf(sinks, async (sink) => {
    await sink.promote(values);
    await requireHeld(sink, 'current', values);
  });

/** Puts the old values back everywhere; gives the sinks in which that failed. */
export const restoreEverywhere = (sinks: readonly Sink[], old: Values): Promise<string[]> =>
  eachOf(sinks, (sink) => sink.promote(old));

/** Sinks that can be read and do not hold the values. */
export async function lacking(
  sinks: readonly Sink[],
  where: 'current' | 'staged',
  values: Values,
): Promise<string[]> {
  const ids: string[] = [];
  for (const sink of sinks) {
    if (!sink.readable) continue;
    if (!sameValues(await sink[where](Object.keys(values)), values)) ids.push(sink.id);
  }
  return ids;
}

/** Sinks that say that something is staged under these names, and those that say nothing of it. */
export async function stagedIn(
  sinks: readonly Sink[],
  names: readonly string[],
): Promise<{ held: string[]; silent: string[] }> {
  const held: string[] = [];
  const silent: string[] = [];
  for (const sink of sinks) {
    if (sink.hasStaged !== undefined) {
      if (await sink.hasStaged()) held.push(sink.id);
    } else if (!sink.readable) silent.push(sink.id);
    else if ((await sink.staged(names)) !== undefined) held.push(sink.id);
  }
  return { held, silent };
}

/**
 * What consumers get now: the same from every sink that can be read; undefined when none holds it.
 *
 * @throws SINKS_DISAGREE (exit 1)
 */
export async function currentValues(
  sinks: readonly Sink[],
  names: readonly string[],
): Promise<Values | undefined> {
  let found: { sink: Sink; values: Values } | undefined;
  for (const sink of sinks) {
    const values = sink.readable ? await sink.current(names) : undefined;
    if (values === undefined) continue;
    if (found !== undefined && !sameValues(found.values, values)) {
      throw failed(
        'SINKS_DISAGREE',
        `${found.sink.id} and ${sink.id} hand out different values of ${names.join(', ')}.`,
        { hint: 'Find out which is in use, put it into both, then run this again.' },
      );
    }
    found ??= { sink, values };
  }
  return found?.values;
}

async function requireHeld(sink: Sink, where: 'current' | 'staged', values: Values): Promise<void> {
  const [id] = await lacking([sink], where, values);
  const gone = where === 'staged' && (await sink.hasStaged?.()) === false;
  if (id === undefined && !gone) return;
  throw failed('SINK_LOST_VALUE', `${sink.id} does not have what was written to it.`, {
    hint: 'Somebody else writes there, or it alters what it stores.',
  });
}

async function eachOf(
  sinks: readonly Sink[],
  work: (sink: Sink) => Promise<void>,
): Promise<string[]> {
  const left: string[] = [];
  for (const sink of sinks) {
    try {
      await work(sink);
    } catch (error) {
      left.push(`${sink.id} (${errorMessage(error)})`);
    }
  }
  return left;
}

function sinkFailed(sink: Sink, error: unknown, left: readonly string[]): OperatorError | unknown {
  if (!isOperatorError(error)) return error;
  if (error.code === 'INTERRUPTED') return error;
  const rest =
    left.length === 0 ? '' : ` What it began could not be taken back in ${left.join('; ')}.`;
  return new OperatorError(
    'SINK_FAILED',
    error.exitCode,
    `${sink.id} did not take the new credential: ${error.message}${rest}`,
    { hint: error.hint ?? 'Cure the sink, then go on with the run.', cause: error },
  );
}

import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Lake } from '../../src/lake/lake.js';
import { openLocalLake } from '../../src/lake/local.js';
import type { Runbook } from '../../src/runbooks/engine/definition.js';
import type { RunEvent } from '../../src/runbooks/engine/events.js';
import { Journal, readJournal, runsDirectory } from '../../src/runbooks/engine/journal.js';
import { endInterrupted } from '../../src/runbooks/engine/run-lock.js';
import type { RunReport } from '../../src/runbooks/engine/runner.js';
import type { RunbookWorld, RunChoices, RunOutcome } from './runbooks.js';

/** Where a run dies: right before or right after an entry of its journal is written. */
export interface CrashPoint {
  entry: number;
  when: 'before' | 'after';
}

export interface CrashMatrix {
  /** A world in the state before the run; disposed of by the matrix. */
  makeWorld(): Promise<RunbookWorld>;
  /** The inputs of the run, for this world. */
  input?: (world: RunbookWorld) => object;
  /** Everything that the run may change, without what differs anyway (times, ids). */
  picture(world: RunbookWorld): Promise<unknown>;
  choices?: RunChoices;
}

/**
 * Kills the runbook at every transition of its journal, resumes it, and compares the end with that
 * of a run that nobody stopped. Throws with the point at which something differs; gives the number
 * of points.
 *
 * The kill is a run that stops for ever at the entry, whose process then counts as gone: what
 * matters, the journal, the leases and the effects, is as SIGKILL leaves it there. Between two
 * entries an act may be half done; crash points inside an act are its own tests' business.
 */
export async function crashMatrix(runbook: Runbook, matrix: CrashMatrix): Promise<number> {
  const expected = await uninterrupted(runbook, matrix);
  const points = Array.from({ length: expected.entries }, (_, entry) =>
    (['before', 'after'] as const).map((when) => ({ entry, when })),
  ).flat();
  for (const point of points) {
    const world = await matrix.makeWorld();
    try {
      const runId = await crashAt(world, runbook, matrix, point);
      const report = await goOn(world, runbook, matrix, runId);
      const picture = await matrix.picture(world);
      if (report !== 'succeeded' || !isDeepStrictEqual(picture, expected.picture)) {
        throw new Error(
          `Killed ${point.when} entry ${point.entry} (${expected.events[point.entry]}), ${runbook.id} ended ${report}:\n${JSON.stringify(picture)}\ninstead of\n${JSON.stringify(expected.picture)}`,
        );
      }
    } finally {
      await world.dispose();
    }
  }
  return points.length;
}

async function uninterrupted(runbook: Runbook, matrix: CrashMatrix) {
  const world = await matrix.makeWorld();
  try {
    const { report } = await world.run(runbook, matrix.input?.(world) ?? {}, matrix.choices);
    if (report.state !== 'succeeded') {
      throw new Error(`${runbook.id} does not even succeed when left alone: ${report.reason}`);
    }
    const entries = await world.journal(report.runId);
    return {
      entries: entries.length,
      events: entries.map(({ event }) => event.type),
      transitions: entries.map(({ event }) => transitionOf(event)),
      picture: await matrix.picture(world),
    };
  } finally {
    await world.dispose();
  }
}

/** The run came to an end before the point it was to die at. */
export class EndedBefore extends Error {
  constructor(readonly report: RunReport) {
    super(`${report.runbook} ended ${report.state} before that: ${report.reason}`);
  }
}

/** Runs until the point and lets the run die there; gives its id if its journal has begun. */
export function crashAt(
  world: RunbookWorld,
  runbook: Runbook,
  { input, choices }: Pick<CrashMatrix, 'input' | 'choices'>,
  point: CrashPoint,
): Promise<string | undefined> {
  let seq = -1;
  return dieWhen(
    world,
    () => world.run(runbook, input?.(world) ?? {}, choices),
    () => {
      seq += 1;
      return seq === point.entry ? point.when : undefined;
    },
  );
}

/**
 * Lets a run stop for ever at the entry that `judge` says, before or after it is written, and makes
 * its process count as gone. Gives the id of the run if its journal has begun.
 */
async function dieWhen(
  world: RunbookWorld,
  start: () => Promise<RunOutcome>,
  judge: (event: RunEvent) => CrashPoint['when'] | undefined,
): Promise<string | undefined> {
  const append = Journal.prototype.append;
  const forEver = new Promise<never>(() => undefined);
  let reached: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let journal: Journal | undefined;
  Journal.prototype.append = async function (event) {
    journal = this;
    const when = judge(event);
    if (when === 'before') {
      reached();
      return forEver;
    }
    const entry = await append.call(this, event);
    if (when === 'after') {
      reached();
      return forEver;
    }
    return entry;
  };
  try {
    const run = start().then(({ report }) => {
      throw new EndedBefore(report);
    });
    await Promise.race([stopped, run]);
  } finally {
    Journal.prototype.append = append;
  }
  await journal?.close();
  await bury(world);
  const [file] = (await readdir(runsDirectory(world.home))).filter((name) =>
    name.endsWith('.jsonl'),
  );
  const runId = file?.slice(0, -'.jsonl'.length);
  if (runId === undefined) return undefined;
  return (await readJournal(world.home, runId)).entries.length === 0 ? undefined : runId;
}

export interface CrashRelay extends CrashMatrix {
  /** What the run may change, in the broken world: it must be the same until an act began. */
  untouched(world: RunbookWorld): Promise<unknown>;
}

/**
 * The same for runbooks whose run takes long: one run, killed at every transition of its journal in
 * turn. Each resume goes as far as the next one and is killed there; the last is left alone. So each
 * transition is died at, before it is written and after, and gone on from; a kill before the first
 * act must leave the world untouched. Gives the number of kills.
 */
export async function crashRelay(runbook: Runbook, relay: CrashRelay): Promise<number> {
  const expected = await uninterrupted(runbook, relay);
  const transitions = [...new Set(expected.transitions)];
  const firstAct = transitions.findIndex((name) => name.startsWith('act.started'));
  const world = await relay.makeWorld();
  try {
    const untouched = await relay.untouched(world);
    let runId: string | undefined;
    let kills = 0;
    for (const [index, name] of transitions.entries()) {
      for (const when of ['before', 'after'] as const) {
        const go = runId;
        runId = await dieWhen(
          world,
          async () => {
            await endInterrupted(world.home, watchOf(world));
            return go === undefined
              ? world.run(runbook, relay.input?.(world) ?? {}, relay.choices)
              : world.resume(runbook, go, relay.choices);
          },
          (event) => (transitionOf(event) === name ? when : undefined),
        );
        kills += 1;
        if (firstAct !== -1 && index >= firstAct && !(index === firstAct && when === 'before'))
          continue;
        if (!isDeepStrictEqual(await relay.untouched(world), untouched)) {
          throw new Error(`Killed ${when} ${name}, ${runbook.id} had changed something.`);
        }
      }
    }
    const report = await goOn(world, runbook, relay, runId);
    const picture = await relay.picture(world);
    if (report !== 'succeeded' || !isDeepStrictEqual(picture, expected.picture)) {
      throw new Error(
        `After ${kills} kills ${runbook.id} ended ${report}:\n${JSON.stringify(picture)}\ninstead of\n${JSON.stringify(expected.picture)}`,
      );
    }
    return kills;
  } finally {
    await world.dispose();
  }
}

/** An entry by what it is about; the end that is written for a dead run is another than its own. */
const transitionOf = (event: RunEvent): string => {
  switch (event.type) {
    case 'step.finished':
      return `${event.type} ${event.result.id}`;
    case 'run.finished':
      return `${event.type} ${event.state}`;
    default:
      return 'step' in event ? `${event.type} ${event.step}` : event.type;
  }
};

const watchOf = (world: RunbookWorld) => ({
  now: () => world.clock.now(),
  signal: new AbortController().signal,
});

/** A run that had begun is resumed, one that had ended is left, one that had not begun is started. */
async function goOn(
  world: RunbookWorld,
  runbook: Runbook,
  { input, choices }: CrashMatrix,
  runId: string | undefined,
): Promise<string> {
  await endInterrupted(world.home, watchOf(world));
  if (runId === undefined) {
    return (await world.run(runbook, input?.(world) ?? {}, choices)).report.state;
  }
  const last = (await world.journal(runId)).at(-1)?.event;
  if (last?.type === 'run.finished' && last.state === 'succeeded') return last.state;
  return (await world.resume(runbook, runId, choices)).report.state;
}

/** Makes every lease of this process one of a process that is gone. */
export async function bury(world: RunbookWorld): Promise<void> {
  const pid = spawnSync('true').pid;
  const stores: Lake[] = [
    openLocalLake(runsDirectory(world.home)),
    openLocalLake(join(world.home, 'leases')),
    world.lake,
  ];
  for (const store of stores) {
    for await (const { key } of store.list('leases/')) {
      const lease = JSON.parse((await store.read(key)).toString()) as { owner: { pid: number } };
      if (lease.owner.pid !== process.pid) continue;
      lease.owner.pid = pid;
      await store.put(key, JSON.stringify(lease));
    }
  }
}

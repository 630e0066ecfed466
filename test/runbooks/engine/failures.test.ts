import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { acquireLease } from '../../../src/lake/lease.js';
import type { Ask, Question } from '../../../src/runbooks/engine/answers.js';
import {
  type ActStep,
  type CheckStep,
  defineRunbook,
  type Inputs,
  type Runbook,
} from '../../../src/runbooks/engine/definition.js';
import type { RunEvent } from '../../../src/runbooks/engine/events.js';
import { failed, unreachable } from '../../../src/system/errors.js';
import { thisProcess } from '../../../src/system/owner.js';
import { registerSecret } from '../../../src/system/redact.js';
import { bury, crashAt } from '../../support/crash-matrix.js';
import {
  listening,
  no,
  nobody,
  type RunbookWorld,
  runbookWorld,
  type WorldOptions,
  yes,
} from '../../support/runbooks.js';
import { logOf, makeFiles, sample } from './sample.js';

let world: RunbookWorld;
let directory: string;

async function enter(options: WorldOptions = {}): Promise<void> {
  world = await runbookWorld({ database: false, ...options });
  directory = join(world.root, 'files');
  await makeFiles(directory, ['a.old', 'b.old', 'c.txt']);
}

beforeEach(() => enter());
afterEach(() => world.dispose());

const run = (choices = {}) => world.run(sample, { directory }, choices);

/** The sample with some of its steps changed. */
const edited = (changes: Record<string, object>): Runbook => ({
  ...sample,
  steps: sample.steps.map((step) => ({ ...step, ...changes[step.id] }) as typeof step),
});

/** A runbook of one step that only reads. */
const reading = (step: Partial<CheckStep<Inputs>>, inputs = z.strictObject({})): Runbook =>
  defineRunbook({
    id: 'look',
    title: 'Look',
    summary: 'Looks.',
    symptoms: [],
    tags: [],
    roles: ['admin'],
    risk: 'read',
    inputs,
    targets: () => [],
    steps: [
      {
        kind: 'check',
        id: 'look',
        title: 'Look',
        why: 'To see.',
        manual: () => 'ls',
        run: async () => ({ state: 'ok', summary: 'fine' }),
        ...step,
      },
    ],
  });

describe('resume (rundeck#126)', () => {
  it('refuses an edited definition: a title or a place alone means nothing (runbook stored_pose.rb)', async () => {
    const { report } = await run({ ask: nobody });
    for (const changed of [
      edited({ note: { why: 'Another reason.' } }),
      edited({ remove: { run: async () => ({ removed: 0 }) } }),
      { ...sample, steps: sample.steps.toReversed() },
    ]) {
      await expect(world.resume(changed, report.runId)).rejects.toMatchObject({
        code: 'RUNBOOK_EDITED',
        exitCode: 3,
      });
    }
    expect((await world.resume(sample, report.runId)).report.state).toBe('succeeded');
  });

  it('two runs of the same runbook have a journal each (two checkouts collide)', async () => {
    const [first, second] = [await run({ ask: nobody }), await run({ ask: nobody })];
    expect(first.report.runId).not.toBe(second.report.runId);
    expect((await world.resume(sample, first.report.runId)).report.state).toBe('succeeded');
    expect(await world.journal(second.report.runId)).toHaveLength(8);
  });

  it('what has ended is not run again', async () => {
    const { report } = await run();
    await expect(world.resume(sample, report.runId)).rejects.toMatchObject({ code: 'RUN_ENDED' });
    expect(await logOf(directory)).toHaveLength(3);
  });

  it('one at a time: a run is not resumed twice at once', async () => {
    const { report } = await run({ ask: nobody });
    const both = await Promise.allSettled([
      world.resume(sample, report.runId),
      world.resume(sample, report.runId),
    ]);
    const refusals = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refusals).toMatchObject([{ code: expect.stringMatching(/RUN_ACTIVE|RUN_ENDED/) }]);
    expect(await logOf(directory)).toHaveLength(3);
  });

  it('follows the branch that was taken before', async () => {
    const jumping: Runbook = {
      ...sample,
      steps: sample.steps.flatMap((step) =>
        step.id === 'note'
          ? [
              {
                kind: 'branch' as const,
                id: 'past-note',
                title: 'Past the note',
                why: 'Nobody reads it.',
                manual: () => 'true',
                choose: async () => ({ to: 'step' as const, step: 'prove', why: 'no note' }),
              },
              step,
            ]
          : [step],
      ),
    };
    const input = () => ({ directory });
    const runId = (await crashAt(world, jumping, { input }, { entry: 14, when: 'before' })) ?? '';
    expect((await world.journal(runId)).at(-1)?.event).toMatchObject({ type: 'step.finished' });
    const { report } = await world.resume(jumping, runId);
    expect(report.state).toBe('succeeded');
    expect(report.steps.find(({ id }) => id === 'note')?.state).toBe('pending');
    expect(await logOf(directory)).toEqual(['removed a.old', 'removed b.old']);
  });

  it('refuses a journal in which an entry was changed, and names it', async () => {
    const { report } = await run({ ask: nobody });
    const path = join(world.home, 'runs', `${report.runId}.jsonl`);
    const lines = (await readFile(path, 'utf8')).split('\n');
    for (const tampered of [
      lines.with(2, (lines[2] ?? '').replace('warning', 'ok')),
      lines.toSpliced(3, 1),
      lines.toSpliced(1, 2, lines[2] ?? '', lines[1] ?? ''),
    ]) {
      await writeFile(path, tampered.join('\n'));
      await expect(world.resume(sample, report.runId)).rejects.toMatchObject({
        code: 'JOURNAL_BROKEN',
        message: expect.stringMatching(/Entry [234] /),
      });
    }
  });

  it('takes no path for a run', async () => {
    await expect(world.resume(sample, '../../etc/passwd')).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      exitCode: 2,
    });
  });
});

describe('no and Ctrl-C', () => {
  const undoable = (undone: string[]) =>
    edited({ remove: { undo: async () => undone.push('remove') } });

  it('undo nothing behind one’s back (runbookdev/runbook: n rolls back, Ctrl-C rolls back)', async () => {
    const undone: string[] = [];
    await world.run(undoable(undone), { directory }, { ask: no('ada') });
    const stop = new AbortController();
    const { report } = await world.run(
      undoable(undone),
      { directory },
      {
        signal: stop.signal,
        onEvent: (event: RunEvent) => {
          if (event.type === 'act.started' && event.step === 'note') stop.abort();
        },
      },
    );
    expect(report).toMatchObject({ state: 'interrupted', exitCode: 130, changed: true });
    expect(undone).toEqual([]);
    expect(report.resume).toBe(`reviewops runbook resume ${report.runId}`);
  });

  it('undo what was done when a person asks for it, last first, and only if all of it can be', async () => {
    const undone: string[] = [];
    const failing = (undoes: string[]) => {
      const back: Record<string, () => Promise<unknown>> = {
        remove: () => makeFiles(directory, ['a.old', 'b.old']),
        note: () => rm(join(directory, 'note'), { force: true }),
      };
      const undo = (id: string) =>
        undoes.includes(id)
          ? {
              undo: async () => {
                await back[id]?.();
                undone.push(id);
              },
            }
          : {};
      const run = async () => {
        throw failed('MADE_UP', 'It broke.');
      };
      return edited({ remove: undo('remove'), note: { ...undo('note'), run } });
    };
    const partly = failing(['note']);
    const first = await world.run(partly, { directory });
    const refusal = await world.resume(partly, first.report.runId, { undo: true });
    expect(refusal.report).toMatchObject({ error: { code: 'UNDO_IMPOSSIBLE' } });
    expect(undone).toEqual([]);

    await makeFiles(directory, ['a.old']);
    const wholly = failing(['remove', 'note']);
    const { report } = await world.run(wholly, { directory });
    const declined = await world.resume(wholly, report.runId, { undo: true, ask: no('ada') });
    expect(declined.report).toMatchObject({ state: 'waiting', exitCode: 3 });
    expect(undone).toEqual([]);
    const undoing = await world.resume(wholly, report.runId, { undo: true });
    expect(undoing.report).toMatchObject({ state: 'aborted', exitCode: 0 });
    expect(undone).toEqual(['note', 'remove']);
    await expect(world.resume(wholly, report.runId)).rejects.toMatchObject({ code: 'RUN_ENDED' });
  });

  it('an undo that was cut short is known to have begun: a resume looks, and does the rest again', async () => {
    const note = join(directory, 'note');
    const breaking = (how: { undo: boolean; proof: boolean }) =>
      edited({
        remove: { undo: async () => makeFiles(directory, ['a.old', 'b.old']) },
        note: {
          undo: async () => {
            await rm(note, { force: true });
            if (how.undo) throw failed('MADE_UP', 'The power went.');
          },
        },
        prove: {
          run: async () =>
            how.proof ? { state: 'critical', summary: 'no' } : { state: 'ok', summary: 'yes' },
        },
      });
    const how = { undo: true, proof: true };
    const runbook = breaking(how);
    const { report } = await world.run(runbook, { directory });
    expect(report).toMatchObject({ state: 'failed', exitCode: 4 });
    const undoing = await world.resume(runbook, report.runId, { undo: true });
    expect(undoing.report).toMatchObject({ state: 'failed', error: { code: 'MADE_UP' } });
    how.proof = false;
    const resumed = await world.resume(runbook, report.runId);
    expect(resumed.report.state).toBe('succeeded');
    // The note was gone: it was left again, and not believed to be there.
    expect(await logOf(directory)).toEqual(['removed a.old', 'removed b.old', 'noted', 'noted']);
    await access(note);
  });

  it('an undo is believed only when its effect is seen to be gone', async () => {
    const how = { works: false };
    const note = join(directory, 'note');
    const runbook = edited({
      remove: { undo: async () => makeFiles(directory, ['a.old', 'b.old']) },
      note: {
        undo: async () => {
          if (how.works) await rm(note, { force: true });
        },
      },
      prove: { run: async () => ({ state: 'critical', summary: 'no' }) },
    });
    const { report } = await world.run(runbook, { directory });
    const { report: lies } = await world.resume(runbook, report.runId, { undo: true });
    expect(lies).toMatchObject({
      state: 'failed',
      exitCode: 4,
      changed: true,
      error: { code: 'UNDO_NOT_VERIFIED' },
    });
    expect(lies.reason).toContain('what it did is not gone: The note lies there.');
    expect(lies.error?.hint).toContain(`reviewops runbook resume ${report.runId} --undo`);
    const told = (await world.journal(report.runId)).map(({ event }) => event);
    expect(told.some(({ type }) => type === 'act.undone')).toBe(false);
    expect(told.at(-2)).toMatchObject({
      type: 'step.finished',
      result: { id: 'note', state: 'failed', summary: expect.stringMatching(/^Not undone: /) },
    });
    expect(told.at(-1)).toMatchObject({ type: 'run.finished', state: 'failed' });

    how.works = true;
    const { report: undone } = await world.resume(runbook, report.runId, { undo: true });
    expect(undone).toMatchObject({ state: 'aborted', exitCode: 0 });
    await expect(access(note)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('an undo of which half is left is found by the probe of its definition', async () => {
    const runbook = edited({
      remove: {
        // What `verify` saw is gone with the first file that is back.
        undo: async () => makeFiles(directory, ['a.old']),
        undone: async () => ({ done: false, summary: 'b.old is missing.' }),
      },
      note: {
        run: async () => {
          throw failed('MADE_UP', 'It broke.');
        },
        undo: async () => undefined,
      },
    });
    const { report } = await world.run(runbook, { directory });
    const { report: half } = await world.resume(runbook, report.runId, { undo: true });
    expect(half).toMatchObject({ exitCode: 4, error: { code: 'UNDO_NOT_VERIFIED' } });
    expect(half.reason).toContain('b.old is missing.');
  });

  it('what was undone as a whole needs a new plan and a new approval', async () => {
    const runbook = edited({
      remove: { undo: async () => makeFiles(directory, ['a.old', 'b.old', 'new.old']) },
      note: {
        undo: async () => rm(join(directory, 'note'), { force: true }),
        run: async () => {
          throw failed('MADE_UP', 'It broke.');
        },
      },
    });
    const { report } = await world.run(runbook, { directory });
    await world.resume(runbook, report.runId, { undo: true });
    // Killed between the last act.undone and run.finished.
    const path = join(world.home, 'runs', `${report.runId}.jsonl`);
    const lines = (await readFile(path, 'utf8')).split('\n');
    await writeFile(path, `${lines.slice(0, -2).join('\n')}\n`);
    const resumed = await world.resume(runbook, report.runId, { ask: nobody });
    expect(resumed.report).toMatchObject({ state: 'waiting', changed: false });
    expect(resumed.report.plan?.targets.map(({ name }) => name)).toContain('new.old');
  });

  it('what waits for a person after an act is partly done, and never “nothing was changed”', async () => {
    const { steps } = sample;
    const withStep = (step: object): Runbook => ({
      ...sample,
      steps: [...steps.slice(0, 4), step as (typeof steps)[number], ...steps.slice(4)],
    });
    const base = { id: 'later', title: 'Later', why: 'To see.', manual: () => 'ls' };
    const manual = withStep({ ...base, kind: 'manual', instruction: () => 'Say so.' });
    const silent: Ask = async (question) =>
      question.type === 'manual' ? { type: 'later' } : yes('ada')(question);
    const waits = await world.run(manual, { directory }, { ask: silent });
    expect(waits.report).toMatchObject({ state: 'waiting', exitCode: 4, changed: true });

    await makeFiles(directory, ['a.old']);
    const second = withStep({ ...base, kind: 'approve', name: () => 'x', question: () => 'Sure?' });
    const asked = { step: '' };
    const { report } = await world.run(
      second,
      { directory },
      {
        ask: async (question) => {
          asked.step = question.step;
          return question.step === 'later' ? no('ada')(question) : yes('ada')(question);
        },
      },
    );
    expect(asked.step).toBe('later');
    expect(report).toMatchObject({ state: 'failed', exitCode: 4, error: { code: 'DECLINED' } });
    expect(report.reason).not.toContain('nothing was changed');
    expect(report.resume).toBe(`reviewops runbook resume ${report.runId}`);
  });

  it('stops after the present safe point, and says what is unknown', async () => {
    const stop = new AbortController();
    const slow = edited({
      remove: {
        run: async ({ signal }: { signal: AbortSignal }) => {
          stop.abort();
          await delay(20);
          signal.throwIfAborted();
        },
      },
    });
    const { report } = await world.run(slow, { directory }, { signal: stop.signal });
    expect(report.state).toBe('interrupted');
    expect(report.steps.find(({ id }) => id === 'remove')?.state).toBe('unknown');
    expect(report.steps.find(({ id }) => id === 'note')?.state).toBe('pending');
  });

  it('a face that goes away stops the run', async () => {
    const seen: string[] = [];
    await expect(
      run({
        onEvent: ({ type }: { type: string }) => {
          seen.push(type);
          if (type === 'plan.made') throw new Error('the screen is gone');
        },
      }),
    ).rejects.toThrow('the screen is gone');
    expect(seen.at(-1)).toBe('plan.made');
  });
});

describe('success', () => {
  it.each<[string, Record<string, object>, string]>([
    [
      'an act that throws',
      {
        remove: {
          run: async () => {
            throw failed('MADE_UP', 'It broke.');
          },
        },
      },
      'MADE_UP',
    ],
    [
      'an act whose effect is not there',
      { remove: { run: async () => ({ removed: 2 }) } },
      'NOT_VERIFIED',
    ],
    [
      'a proof that finds otherwise',
      { prove: { run: async () => ({ state: 'critical', summary: 'still there' }) } },
      'CHECK_FAILED',
    ],
  ])('is never said of %s (rundeck#1600, #3091)', async (_what, changes, code) => {
    const { report } = await world.run(edited(changes), { directory });
    expect(report).toMatchObject({ state: 'failed', exitCode: 4, error: { code } });
    expect((await world.journal(report.runId)).at(-1)?.event).toMatchObject({ state: 'failed' });
  });

  it('a bug in a step ends the run as failed, gives back its leases, and is thrown', async () => {
    const broken = edited({
      remove: {
        run: async () => {
          throw new TypeError('undefined is not a function');
        },
      },
    });
    await expect(world.run(broken, { directory })).rejects.toThrow(TypeError);
    expect((await run()).report.state).toBe('succeeded');
  });

  it('a diagnosis that found something exits 1', async () => {
    const found = reading({ run: async () => ({ state: 'critical', summary: 'bad' }) });
    const { report } = await world.run(found);
    expect(report).toMatchObject({ state: 'succeeded', exitCode: 1 });
  });

  it('what can pass by itself is tried again, and each attempt is journaled', async () => {
    let calls = 0;
    const flaky = reading({
      attempts: 2,
      run: async () => {
        calls += 1;
        if (calls === 1) throw unreachable('MADE_UP', 'Away.');
        return { state: 'ok', summary: 'back' };
      },
    });
    const { report } = await world.run(flaky);
    expect(report.state).toBe('succeeded');
    const types = (await world.journal(report.runId)).map(({ event }) => event.type);
    expect(types).toEqual([
      'run.started',
      'step.started',
      'step.retrying',
      'step.started',
      'step.finished',
      'run.finished',
    ]);
  });

  it('a step ends at its time limit, and its work is told', async () => {
    let told = false;
    const hanging = reading({
      timeout: 0.05,
      run: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            told = true;
            reject(new Error('stopped'));
          });
        }),
    });
    const { report } = await world.run(hanging);
    expect(report).toMatchObject({ state: 'failed', error: { code: 'STEP_TIMED_OUT' } });
    expect(told).toBe(true);
  });
});

describe('one at a time', () => {
  it('two runs with the same target: the second is refused, with the name of the first (rundeck#5135, #7169, #1500)', async () => {
    let inside: unknown;
    const outside = await run({
      ask: async (question: Question) => {
        inside = (await run()).report;
        return yes('ada')(question);
      },
    });
    expect(outside.report.state).toBe('succeeded');
    expect(inside).toMatchObject({
      state: 'refused',
      exitCode: 3,
      error: { code: 'LEASE_HELD', message: expect.stringContaining(thisProcess().user) },
    });
  });

  it('a run whose lock somebody else has taken stops, and writes no more into its journal', async () => {
    let path = '';
    const slow = edited({
      remove: {
        run: async ({ signal, runId }: { signal: AbortSignal; runId: string }) => {
          path = join(world.home, 'runs', 'leases', `${runId}.json`);
          const lease = JSON.parse(await readFile(path, 'utf8'));
          await writeFile(path, JSON.stringify({ ...lease, owner: { ...lease.owner, pid: 1 } }));
          await vi.advanceTimersByTimeAsync(11_000);
          vi.useRealTimers();
          await vi.waitFor(() => expect(signal.aborted).toBe(true), { timeout: 20_000 });
          signal.throwIfAborted();
        },
      },
    });
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      let runId = '';
      await expect(
        world.run(
          slow,
          { directory },
          {
            onEvent: (event: RunEvent) => {
              if (event.type === 'run.started') runId = event.runId;
            },
          },
        ),
      ).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect((await world.journal(runId)).at(-1)?.event.type).toBe('act.started');
    } finally {
      vi.useRealTimers();
    }
  });

  it('the target of a dead run is taken over, and that is recorded', async () => {
    await acquireLease(world.lake, 'directory=sample', {
      owner: thisProcess(),
      now: () => new Date(),
      signal: new AbortController().signal,
    });
    await bury(world);
    const { report, events } = await run();
    expect(report.state).toBe('succeeded');
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'lease.taken-over', target: 'directory=sample' }),
    );
  });

  it('while the lake is away, runs on this machine are kept apart, and that is said', async () => {
    world.services.lake = async () => {
      throw unreachable('LAKE_UNREACHABLE', 'The lake is away.');
    };
    const { report, events } = await run();
    expect(report.state).toBe('succeeded');
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning' }));
  });
});

describe('secrets', () => {
  it('born during the run reach neither journal, output nor report (runbookdev; rundeck#1780, #7209)', async () => {
    const key = 'AKIA-born/secret+1';
    const pem = ['-----BEGIN KEY-----', 'bGluZTEtb2YtdGhlLWtleQ', '-----END KEY-----'].join('\n');
    const born = edited({
      remove: {
        run: async (context: Parameters<ActStep<Inputs>['run']>[0]) => {
          context.secret(key);
          context.secret(pem);
          context.output(`created ${key}`);
          context.output('bGluZTEtb2YtdGhlLWtleQ');
          context.warn(`keep ${key}`);
          await (sample.steps.find(({ id }) => id === 'remove') as ActStep<Inputs>).run(context);
          return { key, pem };
        },
      },
    });
    const { report, events } = await world.run(born, { directory });
    expect(report.state).toBe('succeeded');
    const files = report.reportFiles;
    const everything = [
      JSON.stringify(events),
      JSON.stringify(report),
      await readFile(join(world.home, 'runs', `${report.runId}.jsonl`), 'utf8'),
      await readFile(files?.json ?? '', 'utf8'),
      await readFile(files?.markdown ?? '', 'utf8'),
    ].join('\n');
    expect(everything).toContain('created ***');
    expect(everything).not.toContain(key);
    expect(everything).not.toContain('bGluZTEtb2YtdGhlLWtleQ');
  });

  it('are no inputs: a masked one could not be resumed with (st2#3339)', async () => {
    registerSecret('masked-input-7');
    const inputs = z.strictObject({ name: z.string() });
    await expect(
      world.run(reading({}, inputs as never), { name: 'masked-input-7' }),
    ).rejects.toMatchObject({ code: 'INPUT_HOLDS_SECRET', exitCode: 2 });
  });

  it('are no targets of a plan', async () => {
    await makeFiles(directory, ['secret-77.old']);
    registerSecret('secret-77.old');
    const { report } = await run();
    expect(report).toMatchObject({ state: 'refused', error: { code: 'PLAN_HOLDS_SECRET' } });
    expect(await logOf(directory)).toEqual([]);
  });
});

describe('a second person (rundeck#4288)', () => {
  beforeEach(async () => {
    await world.dispose();
    await enter({ settings: { approvals: { secondPerson: true } } });
  });

  it('must approve, and be another one', async () => {
    const first = await run({ ask: yes('Ada') });
    expect(first.report).toMatchObject({ state: 'waiting', exitCode: 3, changed: false });
    const same = await world.resume(sample, first.report.runId, { ask: yes('ada ') });
    expect(same.report.state).toBe('waiting');
    expect(await logOf(directory)).toEqual([]);
    const { ask, questions } = listening(yes('grace'));
    const second = await world.resume(sample, first.report.runId, { ask });
    expect(second.report.state).toBe('succeeded');
    expect(questions).toMatchObject([{ approvedBy: 'Ada', planHash: first.report.planHash }]);
    const report = JSON.parse(await readFile(second.report.reportFiles?.json ?? '', 'utf8'));
    expect(report.approvals.map(({ by }: { by: string }) => by)).toEqual(['Ada', 'grace']);
  });

  it('approves the same plan, not another one', async () => {
    const first = await run({ ask: yes('ada') });
    await writeFile(join(directory, 'new.old'), '');
    const second = await world.resume(sample, first.report.runId, { ask: yes('grace') });
    expect(second.report).toMatchObject({ state: 'refused', error: { code: 'PLAN_CHANGED' } });
    expect(await logOf(directory)).toEqual([]);
  });
});

describe('read-only mode', () => {
  it('refuses what changes something, before anything is written', async () => {
    await expect(run({ readOnly: true })).rejects.toMatchObject({
      code: 'READ_ONLY_MODE',
      exitCode: 3,
    });
    expect((await run({ readOnly: true, dryRun: true })).report.state).toBe('succeeded');
  });
});

describe('roles', () => {
  const as = (person: string) => vi.stubEnv('REVIEWOPS_OPERATOR', person);
  beforeEach(async () => {
    await world.dispose();
    const roles = { Ada: ['admin'], ben: ['data-engineer'], cy: ['analyst'] };
    await enter({ settings: { operators: { roles, others: [] } } });
  });
  const engineers = (): Runbook => ({ ...sample, roles: ['data-engineer'] });
  const tried = (runbook: Runbook, choices = {}) => world.run(runbook, { directory }, choices);

  it.each(['cy', 'somebody'])('refuse %s what changes something, before it begins', async (who) => {
    as(who);
    await expect(tried(engineers())).rejects.toMatchObject({ code: 'ROLE_MISSING', exitCode: 3 });
    expect(await logOf(directory)).toEqual([]);
    // To look is everybody's.
    expect((await tried(engineers(), { dryRun: true })).report.state).toBe('succeeded');
    expect((await world.run(reading({}), {})).report.state).toBe('succeeded');
  });

  it('let those run it who have one of them, and an admin always', async () => {
    as('ben');
    await expect(tried(sample)).rejects.toMatchObject({ code: 'ROLE_MISSING' });
    expect((await tried(engineers(), { ask: yes('ben') })).report.state).toBe('succeeded');
    as('ada ');
    expect((await tried(engineers(), { ask: yes('ada') })).report.state).toBe('succeeded');
  });

  it('hold for who resumes and who approves, too', async () => {
    as('ada');
    const { report } = await tried(sample, { ask: nobody });
    await expect(world.resume(sample, report.runId, { ask: yes('cy') })).resolves.toMatchObject({
      report: { state: 'refused', error: { code: 'ROLE_MISSING' } },
    });
    expect(await logOf(directory)).toEqual([]);
    const other = await tried(sample, { ask: nobody });
    as('cy');
    await expect(world.resume(sample, other.report.runId)).rejects.toMatchObject({
      code: 'ROLE_MISSING',
    });
    as('ada');
    expect((await world.resume(sample, other.report.runId)).report.state).toBe('succeeded');
  });
});

describe('maintenance windows', () => {
  const noon = Date.parse('2026-06-01T12:00:00Z');
  beforeEach(async () => {
    await world.dispose();
    const windows = [
      { name: 'sunday', from: '2026-06-01T12:00:00Z', until: '2026-06-01T14:00:00+01:00' },
    ];
    await enter({ settings: { maintenanceWindows: { required: ['remove-old'], windows } } });
  });

  it.each([
    ['before', -1000, 'WINDOW_CLOSED'],
    ['after, without anybody closing it', 3_600_000, 'WINDOW_CLOSED'],
  ])('refuse %s', async (_when, offset, code) => {
    world.clock.now = () => new Date(noon + offset);
    await expect(run()).rejects.toMatchObject({ code, exitCode: 3 });
    expect((await run({ dryRun: true })).report.state).toBe('succeeded');
  });

  it('let it run inside, and stop it before the next act when they end', async () => {
    world.clock.now = () => new Date(noon);
    const { report } = await run({
      onEvent: (event: RunEvent) => {
        if (event.type === 'act.started' && event.step === 'remove') {
          world.clock.now = () => new Date(noon + 3_600_000);
        }
      },
    });
    expect(report).toMatchObject({
      state: 'failed',
      exitCode: 4,
      error: { code: 'WINDOW_CLOSED' },
    });
    expect(await logOf(directory)).toEqual(['removed a.old', 'removed b.old']);
    world.clock.now = () => new Date(noon + 1000);
    expect((await world.resume(sample, report.runId)).report.state).toBe('succeeded');
  });
});

describe('a plan binds (docker/cli#3014)', () => {
  it('its hash says what was approved, by content and not by order of words', async () => {
    const [first, second] = [await run({ dryRun: true }), await run({ dryRun: true })];
    expect(first.report.planHash).toBe(second.report.planHash);
    const other = await world.run(
      edited({ note: { why: 'Edited.' } }),
      { directory },
      { dryRun: true },
    );
    expect(other.report.planHash).not.toBe(first.report.planHash);
    await writeFile(join(directory, 'c.old'), '');
    expect((await run({ dryRun: true })).report.planHash).not.toBe(first.report.planHash);
  });
});

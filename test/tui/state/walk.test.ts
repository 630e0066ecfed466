import { describe, expect, it } from 'vitest';
import type { Runbook } from '../../../src/runbooks/engine/definition.js';
import { bindingsOf } from '../../../src/tui/state/contexts.js';
import { shown } from '../../../src/tui/state/model.js';
import { now, plan, question, report, Sitting, sample } from '../support.js';

const waiting = () => {
  const sitting = new Sitting().started();
  return sitting
    .events({ type: 'step.started', step: 'plan', kind: 'plan', attempt: 1 })
    .events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(2) })
    .tell({ type: 'run.asks', question: question(2), at: now });
};

describe('from the first screen to an answer', () => {
  it('finds a runbook by what is seen', () => {
    const sitting = new Sitting().press('/', 'old things', 'enter', 'enter');
    expect(shown(sitting.model)).toMatchObject({ name: 'runbook', runbook: { id: 'clean-up' } });
  });

  it('starts with what the form says, only when the schema takes it', () => {
    const sitting = new Sitting().press('enter', 'enter', '12x', 'down', 'right', 'down', '5');
    sitting.press('down', 'enter');
    expect(sitting.take('start')).toEqual([]);
    expect(sitting.model.notice?.text).toContain('is no batch id');
    sitting.press('backspace', 'down', 'down', 'down', 'enter');
    expect(sitting.take('start')).toMatchObject([
      { input: { batchId: '12', deep: true, keep: 5 }, dryRun: true, readOnly: false },
    ]);
    expect(sitting.model.commands.at(-1)).toBe(
      'reviewops runbook run clean-up --input batchId=12 --input deep=true --input keep=5 --dry-run',
    );
  });

  it('takes no key for an answer until there was quiet', () => {
    const sitting = waiting();
    sitting.press('things 2', 'enter');
    expect(sitting.model.answer?.field.value).toBe('');
    expect(sitting.take('answer')).toEqual([]);
    expect(sitting.take('await-quiet').length).toBeGreaterThan(1);
    sitting.tell({ type: 'quiet' }).press('things 2', 'enter');
    expect(sitting.take('answer')).toEqual([
      { type: 'answer', answer: { type: 'yes', by: 'ada', how: 'typed name and count' } },
    ]);
  });

  it.each([
    ['', undefined],
    ['yes', undefined],
    ['things', undefined],
    ['things 3', undefined],
    ['THINGS 2', undefined],
    ['no', { type: 'no', by: 'ada' }],
    ['later', { type: 'later' }],
  ])('%j answers %j', (typed, answer) => {
    const sitting = waiting().tell({ type: 'quiet' });
    sitting.press(typed, 'enter', 'enter');
    expect(sitting.take('answer')).toEqual(
      answer === undefined ? [] : [{ type: 'answer', answer }],
    );
    expect(sitting.model.run?.question === undefined).toBe(answer !== undefined);
  });

  it('a pasted answer with a line end is typed, not given', () => {
    const sitting = waiting().tell({ type: 'quiet' });
    sitting.tell({ type: 'press', press: { paste: 'things 2\r\n' }, at: now });
    expect(sitting.model.answer?.field.value).toBe('things 2');
    expect(sitting.take('answer')).toEqual([]);
  });

  it('a question does not take the keys of who looks at something else', () => {
    const sitting = new Sitting().started().press('?');
    sitting.tell({ type: 'run.asks', question: question(2), at: now }).tell({ type: 'quiet' });
    sitting.press('things 2', 'enter');
    expect(sitting.take('answer')).toEqual([]);
  });
});

describe('danger', () => {
  it('Ctrl-C stops the run first, and leaves at once the second time', () => {
    const sitting = new Sitting().started().press('ctrl-c');
    expect(sitting.take('stop')).toHaveLength(1);
    sitting.press('ctrl-c');
    expect(sitting.take('leave-now')).toHaveLength(1);
    expect(new Sitting().press('ctrl-c').take('leave')).toEqual([
      { type: 'leave', status: 'interrupted' },
    ]);
  });

  it('q asks while a run goes on', () => {
    const sitting = new Sitting().started().press('q', 'enter');
    expect(sitting.take('leave')).toEqual([]);
    sitting.press('leave', 'enter');
    expect(sitting.take('leave')).toHaveLength(1);
  });

  it('read-only is handed to the engine, and left by typing only', () => {
    const sitting = new Sitting({ readOnly: true });
    sitting.press(':', 'allow-changes', 'enter', 'yes', 'enter');
    expect(sitting.model.readOnly).toBe(true);
    sitting.press('esc', 'enter', 'enter', 'end', 'down', 'down', 'down', 'down', 'enter');
    expect(sitting.take('start')).toMatchObject([{ readOnly: true }]);
    sitting.tell({ type: 'run.broke', message: 'read-only', hint: undefined, at: now });
    sitting.press(':', 'allow-changes', 'enter', 'allow changes', 'enter');
    expect(sitting.model.readOnly).toBe(false);
  });

  it('one run at a time', () => {
    const sitting = new Sitting().started().press('esc', 'enter', 'enter');
    expect(sitting.take('start')).toHaveLength(1);
    expect(sitting.model.notice?.text).toContain('Another run goes on');
  });

  it('offers to skip what only informs, never what guards or changes', () => {
    const offers = (step: string, kind: 'check' | 'act') =>
      bindingsOf(
        new Sitting().started().events({ type: 'step.started', step, kind, attempt: 1 }).model,
      ).some(({ action }) => action === 'skip');
    expect(offers('look', 'check')).toBe(true);
    expect(offers('remove', 'act')).toBe(false);
  });

  it('too small a terminal takes no key but Ctrl-C', () => {
    const sitting = waiting().tell({ type: 'quiet' });
    sitting.tell({ type: 'resized', size: { columns: 60, rows: 10 } }).press('things 2', 'enter');
    expect(sitting.take('answer')).toEqual([]);
    sitting.press('ctrl-c');
    expect(sitting.take('stop')).toHaveLength(1);
  });
});

describe('taking back what a run did', () => {
  const ended = (risk: Runbook['risk'], changed: boolean, readOnly = false) =>
    new Sitting({ readOnly, runbooks: [{ ...sample, risk }] })
      .started()
      .tell({ type: 'run.ended', report: { ...report, changed }, at: now });

  it(':undo goes on with the run, backwards', () => {
    const sitting = ended('change', true).press(':', 'undo', 'enter');
    expect(sitting.take('resume')).toEqual([
      { type: 'resume', runId: report.runId, undo: true, readOnly: false },
    ]);
    expect(sitting.model.run).toMatchObject({ phase: 'starting', report: undefined });
    expect(shown(sitting.model).name).toBe('run');
    expect(sitting.model.commands.at(-1)).toBe(`reviewops runbook resume ${report.runId} --undo`);
  });

  it('shows what was undone as still to be done', () => {
    const sitting = ended('change', true).press(':', 'undo', 'enter');
    sitting.events({ type: 'act.undoing', step: 'remove' }, { type: 'act.undone', step: 'remove' });
    expect(sitting.model.run?.steps.at(-1)).toMatchObject({ id: 'remove', state: 'pending' });
    expect(sitting.model.run?.log.map(({ text }) => text)).toContain('remove was undone');
  });

  it('hands the read-only mode to the engine, which refuses', () => {
    const sitting = ended('change', true, true).press(':', 'undo', 'enter');
    expect(sitting.take('resume')).toMatchObject([{ undo: true, readOnly: true }]);
  });

  it.each([
    ['nothing was changed', ended('change', false)],
    ['nothing can bring back what was destroyed', ended('destroy', true)],
    ['no run ended', new Sitting()],
  ])('is not offered: %s', (_why, sitting) => {
    expect(bindingsOf(sitting.model).some(({ action }) => action === 'undo')).toBe(false);
    sitting.press(':', 'undo', 'enter');
    expect(sitting.take('resume')).toEqual([]);
  });
});

describe('every key', () => {
  it('means one thing at a time, and only what can be done', () => {
    for (const { model } of [
      new Sitting(),
      new Sitting().press('enter'),
      new Sitting().started(),
      waiting(),
    ]) {
      const keys = bindingsOf(model).flatMap((binding) => binding.keys);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it('the help does what it lists', () => {
    const sitting = new Sitting().press('?', 'lake', 'enter');
    expect(shown(sitting.model).name).toBe('batches');
    expect(sitting.take('load')).toContainEqual({ type: 'load', what: 'batches' });
  });

  it('the palette completes and opens runbooks by name', () => {
    const sitting = new Sitting().press(':', 'clean', 'tab');
    expect(sitting.model.overlay).toMatchObject({ field: { value: 'clean-up' } });
    expect(shown(sitting.press('enter').model)).toMatchObject({ name: 'runbook' });
  });

  it('Esc goes one level back, and ends at the first screen', () => {
    const sitting = new Sitting().press('enter', 'enter', 'esc');
    expect(shown(sitting.model)).toMatchObject({ name: 'runbook', browser: { focus: 'steps' } });
    expect(shown(sitting.press('esc', 'esc').model).name).toBe('home');
  });

  it('y copies the exact command of the step', () => {
    expect(new Sitting().press('enter', 'y').take('copy')).toEqual([
      { type: 'copy', text: 'ls BATCH' },
    ]);
  });
});

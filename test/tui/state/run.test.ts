import { describe, expect, it } from 'vitest';
import { appendOutput, emptyOutput, outputLine, outputOf } from '../../../src/tui/state/output.js';
import { advanceRun, newRun } from '../../../src/tui/state/run.js';
import { progressText } from '../../../src/tui/view/words.js';
import { now, plan, sample, startedEvent } from '../support.js';

describe('a run from its events', () => {
  const run = newRun(sample, { at: now });

  it('follows the steps, with the command as it reads with the inputs', () => {
    const next = advanceRun(
      run,
      [
        { ...startedEvent, input: { batchId: '7', deep: false, keep: 3 } },
        { type: 'step.started', step: 'look', kind: 'check', attempt: 1 },
        { type: 'progress', step: 'look', done: 10, total: 40, unit: 'rows' },
        { type: 'output', step: 'look', text: 'one\u001b[2J' },
      ],
      now,
    );
    expect(next).toMatchObject({ phase: 'running', current: 'look', runId: startedEvent.runId });
    expect(next.steps[0]).toMatchObject({
      state: 'running',
      manual: 'ls 7',
      progress: { done: 10 },
    });
    expect(outputOf(next.output)).toEqual([{ step: 'look', text: 'one\\u001b[2J' }]);
  });

  it('a failed attempt says why, and what comes next', () => {
    const next = advanceRun(
      run,
      [
        { type: 'step.started', step: 'look', kind: 'check', attempt: 1 },
        { type: 'step.retrying', step: 'look', attempt: 1, reason: 'No answer.', seconds: 2 },
      ],
      now,
    );
    expect(next.steps[0]?.retrying).toBe('No answer.');
    expect(next.log.at(-1)).toMatchObject({ tone: 'caution' });
  });

  it('what was stopped is to be done, not running', () => {
    const next = advanceRun(
      run,
      [
        { type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(1) },
        { type: 'step.started', step: 'approve', kind: 'approve', attempt: 1 },
        { type: 'run.finished', state: 'waiting', reason: 'Nobody is there.' },
      ],
      now,
    );
    expect(next.steps.map(({ state }) => state)).not.toContain('running');
    expect(next.state).toBe('waiting');
  });

  it('progress has rate and time left', () => {
    expect(progressText({ done: 1000, total: 4000, unit: 'rows' }, now, now + 2000)).toBe(
      '1,000 of 4,000 rows (25 %), 500 rows/s, 6.0 s left',
    );
    expect(progressText({ done: 2_000_000, total: null, unit: 'bytes' }, now, now + 1000)).toBe(
      '2.00 MB, 2.00 MB/s',
    );
  });
});

describe('the last lines of output', () => {
  it('are bounded, in number and length, and keep their order', () => {
    let log = emptyOutput;
    for (let batch = 0; batch < 200; batch += 1) {
      const lines = Array.from({ length: 100 }, (_, at) =>
        outputLine('step', `line ${batch * 100 + at}`),
      );
      log = appendOutput(log, lines);
    }
    const kept = outputOf(log);
    expect(log.total).toBe(20_000);
    expect(kept.length).toBe(log.count);
    expect(kept.length).toBeLessThan(5500);
    expect(kept.at(-1)?.text).toBe('line 19999');
    expect(kept[0]?.text).toBe(`line ${20_000 - kept.length}`);
    expect(outputLine('step', 'x'.repeat(1_000_000)).text.length).toBeLessThan(1100);
  });

  it('are found by step', () => {
    const log = appendOutput(emptyOutput, [outputLine('a', '1'), outputLine('b', '2')]);
    expect(outputOf(log, 'b')).toEqual([{ step: 'b', text: '2' }]);
  });
});

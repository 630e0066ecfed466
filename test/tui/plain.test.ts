import { describe, expect, it } from 'vitest';
import { announce } from '../../src/tui/plain/announce.js';
import { interpret } from '../../src/tui/plain/interpret.js';
import { shown } from '../../src/tui/state/model.js';
import { now, plan, question, Sitting } from './support.js';

/** Types lines, and gives what was said since. */
const conversation = (sitting: Sitting) => {
  let said = sitting.model;
  return (...lines: string[]): string => {
    for (const line of lines) {
      for (const press of interpret(sitting.model, line)) {
        sitting.tell({ type: 'press', press, at: now });
      }
    }
    const news = announce(said, sitting.model);
    said = sitting.model;
    return news.join('\n');
  };
};

describe('the same in lines', () => {
  it('says the list once, by number, without signs', () => {
    const sitting = new Sitting();
    const first = announce(undefined, sitting.model).join('\n');
    expect(first).toContain('1. clean-up, destroy, Clean up what is old');
    expect(announce(sitting.model, sitting.model)).toEqual([]);
  });

  it('walks through the form to a start', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    expect(say('/ old things', '1')).toContain('Step 4: Remove them');
    expect(say('start')).toContain('Input batchId (string');
    expect(say('12')).toContain('Input deep (boolean');
    expect(say('true')).toContain('Input keep (integer');
    expect(say('')).toContain('Type look or run');
    say('run');
    expect(sitting.take('start')).toMatchObject([
      { input: { batchId: '12', deep: true }, dryRun: false },
    ]);
  });

  it('asks once keys count, and takes the exact answer only', () => {
    const sitting = new Sitting().started();
    const say = conversation(sitting);
    sitting.events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(2) });
    sitting.tell({ type: 'run.asks', question: question(2), at: now });
    expect(say()).not.toContain('Type things 2');
    sitting.tell({ type: 'quiet' });
    expect(say()).toMatch(/2\. remove: thing thing-2[\s\S]*Type things 2 to approve/);
    expect(say('yes')).toContain('Not an answer');
    say('things 2');
    expect(sitting.take('answer')).toMatchObject([{ answer: { type: 'yes' } }]);
  });

  it('knows words for keys, and commands', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    expect(say('help')).toContain('Leave; while a run goes on');
    say('health');
    expect(shown(sitting.model).name).toBe('health');
    say('back');
    expect(shown(sitting.model).name).toBe('home');
  });
});

import { describe, expect, it } from 'vitest';
import type { StepResult } from '../../../src/runbooks/engine/definition.js';
import { widthOf } from '../../../src/tui/text.js';
import { draw, now, plan, question, report, Sitting, sample } from '../support.js';

describe('what has no room', () => {
  it('the titles of steps take more lines while there are some', async () => {
    const text = await draw(new Sitting().press('enter').model);
    expect(text).toMatch(/▸○ Is there anything +to do/);
    expect(text).toMatch(/\n {3}old\?/);
  });

  it('a list says which part of it is seen', async () => {
    const many = Array.from({ length: 40 }, (_, index) => ({ ...sample, id: `sample-${index}` }));
    const sitting = new Sitting({ runbooks: many });
    expect(await draw(sitting.model)).toMatch(/cures +1–16 of 40\n/);
    expect(await draw(sitting.press('G').model)).toMatch(/cures +25–40 of 40\n/);
  });

  it('a target of a plan takes more lines, and nothing of it is cut', async () => {
    const wide = plan(1);
    const [target] = wide.targets;
    const name = `batch-${'x'.repeat(30)}`;
    const made = {
      ...wide,
      targets:
        target === undefined ? [] : [{ ...target, name, state: { from: 'model', to: 'load' } }],
    };
    const sitting = new Sitting()
      .started()
      .events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: made })
      .press('4');
    const text = await draw(sitting.model);
    expect(text).toContain(name);
    expect(text).toContain('from model, to load');
    const large = new Sitting({ size: { columns: 160, rows: 40 } })
      .started()
      .events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: made })
      .press('4');
    const beside = await draw(large.model);
    expect(beside).toMatch(/what is done +to what +as it is now/);
    expect(beside).toMatch(/remove +thing batch-x{30} +from model, to load/);
  });

  it('a plan of a quarter of a million targets is drawn', async () => {
    const sitting = new Sitting()
      .started()
      .events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(250_000) })
      .press('4');
    expect(await draw(sitting.model)).toContain('250000 targets');
  });

  it('a long line of output goes on below, whatever it is made of', async () => {
    const sitting = new Sitting()
      .started()
      .events(
        { type: 'output', step: 'look', text: `a${'-'.repeat(60)}end.` },
        { type: 'output', step: 'look', text: `${'評価'.repeat(30)}fin.` },
      );
    const text = await draw(sitting.press('3').model);
    expect(text).toContain('end.');
    expect(text).toContain('fin.');
    for (const one of text.split('\n')) expect(widthOf(one)).toBeLessThanOrEqual(80);
  });
});

describe('the run', () => {
  it('says of a step that waits that it asks, and how long another one goes on', async () => {
    const sitting = new Sitting()
      .started()
      .events({ type: 'step.started', step: 'look', kind: 'check', attempt: 1 })
      .tell({ type: 'tick', at: now + 12_000 });
    expect(await draw(sitting.model)).toContain('● running for 12 s');
    sitting
      .events({ type: 'step.started', step: 'approve', kind: 'approve', attempt: 1 })
      .tell({ type: 'run.asks', question: question(2), at: now });
    expect(await draw(sitting.model)).toMatch(/● Remove them\? +asks you/);
  });

  it('ends with what was found, or with the proof, before all the steps', async () => {
    const check = (id: string, state: 'ok' | 'critical', summary: string): StepResult => {
      const finding = { state, summary };
      return { id, kind: 'check', state: 'done', seconds: 1, summary, finding };
    };
    const step = (kind: 'act' | 'manual'): StepResult => {
      return { id: kind, kind, state: 'done', seconds: 1, summary: 'Done.' };
    };
    const ended = (news: Partial<typeof report>) =>
      draw(
        new Sitting().started().tell({
          type: 'run.ended',
          report: { ...report, reason: null, error: null, resume: null, ...news },
          at: now,
        }).model,
      );
    const bad = check('look', 'critical', 'Old.');
    const good = check('prove', 'ok', 'All new.');
    for (const kind of ['act', 'manual'] as const) {
      const text = await ended({ state: 'succeeded', steps: [bad, step(kind), good] });
      expect(text).toMatch(/✓ succeeded.*\n.*Proven: All new\./);
      expect(text).not.toContain('✗ look');
    }
    expect(await ended({ state: 'failed', steps: [bad] })).toMatch(/✗ failed.*\n.*✗ look: Old\./);
    const read = await ended({ state: 'succeeded', steps: [bad, good] });
    expect(read).toMatch(/✓ succeeded.*\n.*✗ look: Old\./);
    expect(read).not.toContain('Proven');
    const partly = await ended({ state: 'succeeded', steps: [good], remains: 'A file stays.' });
    expect(partly).toMatch(/✓ succeeded.*\n.*Remains: A file stays\./);
  });
});

import { describe, expect, it } from 'vitest';
import { widthOf } from '../../../src/tui/text.js';
import { draw, now, plan, question, Sitting } from '../support.js';

const sizes = [
  { columns: 80, rows: 24 },
  { columns: 133, rows: 41 },
  { columns: 250, rows: 80 },
];

const states: Record<string, (sitting: Sitting) => Sitting> = {
  home: (sitting) => sitting,
  searching: (sitting) => sitting.press('/', 'old'),
  runbook: (sitting) => sitting.press('enter'),
  form: (sitting) => sitting.press('enter', 'enter', '12x'),
  help: (sitting) => sitting.press('?'),
  palette: (sitting) => sitting.press(':'),
  health: (sitting) => sitting.press('H'),
  run: (sitting) => sitting.started(),
  'approval of many': (sitting) =>
    sitting
      .started()
      .events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(500) })
      .tell({ type: 'run.asks', question: question(500), at: now })
      .tell({ type: 'quiet' }),
};

describe.each(sizes)('$columns×$rows', (size) => {
  it.each(Object.entries(states))('%s fills the screen exactly', async (_name, reach) => {
    const { model } = reach(new Sitting({ size }));
    const lines = (await draw(model)).split('\n');
    expect(lines).toHaveLength(size.rows);
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(size.columns);
    expect(lines[0]).toMatch(/^reviewops {2}/);
  });
});

describe('what is seen', () => {
  it('states have a sign and a word', async () => {
    const sitting = new Sitting().started().events(
      { type: 'step.started', step: 'look', kind: 'check', attempt: 1 },
      {
        type: 'step.finished',
        result: {
          id: 'look',
          kind: 'check',
          state: 'done',
          seconds: 1,
          summary: 'Bad.',
          finding: { state: 'critical', summary: 'Bad.' },
        },
      },
      { type: 'step.started', step: 'plan', kind: 'plan', attempt: 1 },
    );
    const text = await draw(sitting.model);
    expect(text).toMatch(/✗ Is there .* critical/);
    expect(text).toMatch(/▸● What goes +running/);
    expect(text).toMatch(/○ Remove them\? +to do/);
  });

  it('the plan scrolls and filters, with its totals in sight', async () => {
    const sitting = (states['approval of many'] ?? ((one) => one))(new Sitting()).press(
      'tab',
      'tab',
    );
    expect(await draw(sitting.model)).toContain('500 targets, bytes 12');
    sitting.press('G');
    expect(await draw(sitting.model)).toContain('thing-500 ');
    sitting.press('/', 'thing-77', 'enter');
    const text = await draw(sitting.model);
    expect(text).toContain('1 of 500 targets');
    expect(text).toMatch(/remove +thing thing-77 +bytes 760/);
  });

  it('the form says what is wrong while it is typed', async () => {
    const sitting = new Sitting().press('enter', 'enter', '12x');
    expect(await draw(sitting.model)).toContain('✗ is no batch id');
    expect(await draw(sitting.press('backspace').model)).not.toContain('is no batch id');
  });

  it('production is unmistakable, and is what the connection says', async () => {
    const sitting = new Sitting().tell({
      type: 'loaded',
      news: {
        environment: {
          value: { kind: 'production', name: 'PRODUCTION', detail: 'app on db.example/shop' },
          error: undefined,
          loading: false,
          at: now,
        },
      },
    });
    const [first = ''] = (await draw(sitting.model, { color: true })).split('\n');
    expect(first).toContain('\u001b[41m');
    expect(first).toContain(' PRODUCTION ');
  });

  it('output scrolls back while more comes, and follows at the end', async () => {
    const lines = (from: number) =>
      Array.from({ length: 100 }, (_, at) => ({
        type: 'output' as const,
        step: 'look',
        text: `line ${from + at}.`,
      }));
    const sitting = new Sitting()
      .started()
      .events(...lines(0))
      .press('3', 'tab');
    expect(await draw(sitting.model)).toContain('line 99.');
    sitting.press('g').events(...lines(100));
    expect(await draw(sitting.model)).toContain('line 0.');
    sitting.press('G').events(...lines(200));
    expect(await draw(sitting.model)).toContain('line 299.');
    sitting.press('/', 'line 150.', 'enter', 'g', ']');
    expect(await draw(sitting.model)).toContain('line 150.');
  });

  it('too small a screen says so', async () => {
    const { model } = new Sitting({ size: { columns: 40, rows: 8 } });
    expect(await draw(model)).toContain('This terminal has 40×8');
  });
});

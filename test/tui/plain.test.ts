import { describe, expect, it } from 'vitest';
import { announce } from '../../src/tui/plain/announce.js';
import { interpret } from '../../src/tui/plain/interpret.js';
import { shown } from '../../src/tui/state/model.js';
import { fetched, incident, looked, now, plan, question, report, Sitting } from './support.js';

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

describe('every key has a word', () => {
  it('the panels of the first screen and of a run, read out when they are asked for', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    expect(say('recent')).toContain('Home, recent: No run yet.');
    say('runbooks', '1');
    expect(say('plan')).toContain('Plan:\nThe run has not begun.');
    expect(say('why')).toContain('Is there anything old?');
    expect(say('2')).toContain('Step 2: What goes to do. Nothing else is touched.\nBy hand: ls');
    expect(say('copy')).toContain('Copied: ls');
    expect(sitting.take('copy')).toEqual([{ type: 'copy', text: 'ls' }]);
    expect(say('99')).toBe('');
  });

  it('a note, a panel and a wrong command leave the question to be answered', () => {
    const sitting = new Sitting().started();
    const say = conversation(sitting);
    sitting.events({ type: 'plan.made', step: 'plan', hash: 'f'.repeat(64), plan: plan(2) });
    sitting.tell({ type: 'run.asks', question: question(2), at: now }).tell({ type: 'quiet' });
    say(':note', 'it is night');
    expect(sitting.take('note')).toMatchObject([{ text: 'it is night' }]);
    expect(say('evidence')).toContain('Evidence:');
    expect(say(':nonsense')).toContain('Nothing is called that.');
    expect(sitting.take('answer')).toEqual([]);
    say('things 2');
    expect(sitting.take('answer')).toMatchObject([{ answer: { type: 'yes' } }]);
  });

  it('what was done by hand may be said in the words of a panel', () => {
    const sitting = new Sitting().started();
    const say = conversation(sitting);
    sitting
      .tell({
        type: 'run.asks',
        question: { type: 'manual', step: 'look', instruction: 'Tell them.' },
        at: now,
      })
      .tell({ type: 'quiet' });
    say('plan');
    expect(sitting.take('answer')).toMatchObject([{ answer: { type: 'done', said: 'plan' } }]);
  });

  it('r, b, i and undo: their commands', () => {
    const sitting = new Sitting().started();
    const say = conversation(sitting);
    const branch = { to: 'runbook' as const, runbook: 'clean-up', input: {}, why: 'It is old.' };
    sitting.tell({ type: 'run.ended', report: { ...report, branch }, at: now });
    expect(say()).toMatch(/^failed/m);
    expect(say('open-incident')).toContain('An incident is opened for this run.');
    say('P3 Products show no best review');
    expect(sitting.take('incident')).toMatchObject([
      { change: { to: 'open', severity: 'P3', summary: 'Products show no best review' } },
    ]);
    say('retry');
    expect(sitting.take('resume')).toMatchObject([{ undo: false }]);
    sitting.tell({ type: 'run.ended', report: { ...report, branch }, at: now });
    say('branch');
    expect(shown(sitting.model).name).toBe('runbook');
  });

  it('those of incidents', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    sitting
      .press('I')
      .tell({ type: 'loaded', news: { incidents: { ...fetched, value: [incident] } } });
    expect(say()).toMatch(/1\. #7, P2, open, 59m, nobody, The shop is empty/);
    expect(say('acknowledge')).toContain('You work on incident #7');
    expect(say('maybe')).toContain('Type exactly: yes');
    say('yes');
    expect(sitting.take('incident')).toMatchObject([{ change: { to: 'acknowledge', id: 7 } }]);
    say('note', 'looked at it');
    expect(sitting.take('incident')).toMatchObject([{ change: { text: 'looked at it' } }]);
    say('escalate', 'escalate 7');
    expect(sitting.take('incident')).toMatchObject([{ change: { to: 'escalate', id: 7 } }]);
    say('post-mortem', 'pm.md');
    expect(sitting.take('incident')).toMatchObject([{ change: { file: 'pm.md' } }]);
  });
});

describe('what goes by itself', () => {
  it('each point of the checklist is read out, and what is wrong with an answer', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    const resolved = { ...incident, status: 'resolved' as const };
    sitting.press('I');
    sitting.tell({ type: 'loaded', news: { incidents: { ...fetched, value: [resolved] } } });
    expect(say('close')).toContain('1: The symptom is gone. Type yes:');
    expect(say('yes')).toBe(
      'Incident #7 is closed once all 5 points hold. 2: The quality tests pass. Type yes:',
    );
    expect(say('no')).toContain('Type exactly: yes');
    expect(say('yes')).toContain('3: There is no new alert.');
    expect(sitting.take('incident')).toEqual([]);
  });

  it('time is no news: the list is not said again', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    sitting
      .press('I')
      .tell({ type: 'loaded', news: { incidents: { ...fetched, value: [incident] } } });
    say();
    sitting.tell({ type: 'tick', at: now + 20_000 });
    expect(say()).toBe('');
    const acknowledged = { ...incident, status: 'acknowledged' as const };
    sitting.tell({ type: 'loaded', news: { incidents: { ...fetched, value: [acknowledged] } } });
    expect(say()).toMatch(/^Now 1\. #7, P2, acknowledged/);
  });

  it('of what is looked at live, a change of state is, and no figure', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    const look = (state: 'ok' | 'critical', summary: string) =>
      sitting.tell(looked('health', [{ name: 'database', state, summary }]));
    sitting.press('H');
    look('ok', 'answers in 1 ms');
    expect(say()).toContain('1. ok, database, answers in 1 ms');
    look('ok', 'answers in 2 ms');
    expect(say()).toBe('');
    look('critical', 'refused');
    expect(say()).toBe('Now 1. critical, database, refused');
  });

  it('the first screen says how the system is', () => {
    const sitting = new Sitting();
    const say = conversation(sitting);
    sitting.tell(looked('glance', [{ name: 'gold', state: 'critical', summary: 'there is none' }]));
    expect(say()).toBe('\nThe system:\ncritical, gold, there is none');
  });
});

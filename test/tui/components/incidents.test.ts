import { describe, expect, it } from 'vitest';
import { checklistItems } from '../../../src/incidents/events.js';
import type { IncidentDetail, IncidentRow } from '../../../src/incidents/read-model.js';
import { checklistText } from '../../../src/incidents/transitions.js';
import { bindingsOf } from '../../../src/tui/state/contexts.js';
import { type Loaded, shown } from '../../../src/tui/state/model.js';
import { draw, now, report, Sitting, sample } from '../support.js';

const later = (minutes: number) => new Date(now + minutes * 60_000).toISOString();

const row: IncidentRow = {
  incidentId: 12,
  severity: 'P2',
  status: 'open',
  summary: 'Runbook clean-up failed',
  owner: null,
  openedAt: later(-5),
  closedAt: null,
  batchId: null,
  source: 'runbook',
  respondBy: later(10),
  resolveBy: later(240),
  escalateAt: null,
  nextStatusAt: null,
  breached: false,
  reviewDue: false,
};

const still = { metAt: null, breachedAt: null, paused: false };

const detail: IncidentDetail = {
  ...row,
  clocks: {
    respond: { ...still, due: later(10), left: 600 },
    resolve: { ...still, due: later(240), left: 3600, paused: true },
    escalate: { ...still, due: null, left: null },
  },
  service: null,
  cause: null,
  rootCause: null,
  action: null,
  openedBy: 'reviewops',
  respondedAt: null,
  respondedBy: null,
  resolvedAt: null,
  reopened: 0,
  occurrences: 1,
  findings: [],
  runbooks: [],
  runs: [],
  calls: [],
  actions: [],
  links: [],
  mergedInto: null,
  absorbed: [],
  events: [
    {
      seq: 1,
      at: later(-5),
      by: 'reviewops',
      type: 'opened',
      data: { summary: 'It failed', evidence: { runbook: sample.id, input: { keep: 7 } } },
    },
  ],
};

const loaded = <T>(value: T): Loaded<T> => ({ value, error: undefined, loading: false, at: now });

const listed = (readOnly = false) =>
  new Sitting({ readOnly, size: { columns: 100, rows: 30 } })
    .press('I')
    .tell({ type: 'loaded', news: { incidents: loaded([row]) } });

const opened = (readOnly = false) =>
  listed(readOnly)
    .press('enter')
    .tell({ type: 'loaded', news: { incident: loaded(detail) } });

const ended = (readOnly = false) =>
  new Sitting({ readOnly, size: { columns: 100, rows: 30 } })
    .started()
    .tell({ type: 'run.ended', report, at: now });

const taken = (sitting: Sitting) => sitting.take('incident').map(({ change }) => change);

describe('the incidents', () => {
  it('have clocks that run without being fetched', async () => {
    const sitting = listed();
    expect(await draw(sitting.model)).toMatch(/#12 +P2 +open +10m/);
    sitting.tell({ type: 'tick', at: now + 11 * 60_000 });
    expect(await draw(sitting.model)).toMatch(/#12 +P2 +open +1m.* late/);
  });

  it('are fetched again while they are looked at', () => {
    const sitting = listed();
    sitting.take('load');
    expect(sitting.tell({ type: 'tick', at: now + 5_000 }).take('load')).toEqual([]);
    expect(sitting.tell({ type: 'tick', at: now + 31_000 }).take('load')).toEqual([
      { type: 'load', what: 'incidents' },
    ]);
  });

  it('open with every clock, one that stands still as it stands, the cure and the events', async () => {
    const sitting = opened();
    expect(sitting.take('load')).toContainEqual({ type: 'load', what: 'incident', id: '12' });
    const first = await draw(sitting.model);
    expect(first).toMatch(/respond .*10m.* left/);
    expect(first).toMatch(/resolve .*stands still at 1h/);
    expect(first).toMatch(/cure +clean-up/);
    expect(first).toMatch(/opened .*reviewops +It failed/);
    sitting.tell({ type: 'tick', at: now + 20 * 60_000 });
    const second = await draw(sitting.model);
    expect(second).toMatch(/respond .*10m.* late/);
    expect(second).toMatch(/resolve .*stands still at 1h/);
  });

  it.each(['listed', 'opened'])('are changed after a question only, %s', (where) => {
    const sitting = where === 'listed' ? listed() : opened();
    sitting.press('a', 'enter', 'no', 'enter', 'esc', 'E', 'yes', 'enter', 'esc');
    sitting.press('n', 'enter', 'esc', 'p', 'enter', 'esc');
    expect(taken(sitting)).toEqual([]);
    sitting.press('a', 'yes', 'enter', 'E', 'escalate 12', 'enter');
    sitting.press('n', 'it is the disk', 'enter', 'p', 'pm.md', 'enter');
    expect(taken(sitting)).toEqual([
      { to: 'acknowledge', id: 12 },
      { to: 'escalate', id: 12 },
      { to: 'incident-note', id: 12, text: 'it is the disk' },
      { to: 'post-mortem', id: 12, file: 'pm.md' },
    ]);
    expect(sitting.model.commands.slice(-4)).toEqual([
      'reviewops incident ack 12',
      'reviewops incident escalate 12',
      "reviewops incident note 12 'it is the disk'",
      'reviewops incident postmortem 12 --output pm.md',
    ]);
    sitting.take('load');
    sitting.tell({ type: 'incident.changed', text: 'Done.', tone: 'good' });
    expect(sitting.take('load')).toContainEqual({ type: 'load', what: 'incidents' });
  });

  it.each(['listed', 'opened'])(
    'are resolved by their number, with or without why, %s',
    (where) => {
      const sitting = where === 'listed' ? listed() : opened();
      sitting.press(
        'r',
        'enter',
        'yes',
        'enter',
        'resolve 1',
        'enter',
        'resolve 123',
        'enter',
        'esc',
      );
      expect(taken(sitting)).toEqual([]);
      sitting.press('r', 'resolve 12', 'enter', 'r', "resolve 12  the disk's full", 'enter');
      expect(taken(sitting)).toEqual([
        { to: 'resolve', id: 12 },
        { to: 'resolve', id: 12, rootCause: "the disk's full" },
      ]);
      expect(sitting.model.commands.slice(-2)).toEqual([
        'reviewops incident resolve 12',
        `reviewops incident resolve 12 --root-cause 'the disk'\\''s full'`,
      ]);
    },
  );

  it('are closed once each point of the checklist was confirmed, and not before', async () => {
    const sitting = opened();
    sitting.tell({
      type: 'loaded',
      news: { incident: loaded({ ...detail, status: 'resolved' as const }) },
    });
    sitting.press('x', 'yes', 'enter', 'yes', 'enter', 'no', 'enter');
    expect(await draw(sitting.model)).toMatch(/3: There is no new alert\.[\s\S]*leave with esc/);
    sitting.press('yes', 'enter', 'yes', 'enter', 'esc');
    expect(taken(sitting)).toEqual([]);
    // Begun anew, it asks for all of them anew.
    sitting.press('x');
    for (const item of checklistItems) {
      expect(taken(sitting)).toEqual([]);
      expect(await draw(sitting.model)).toContain(checklistText[item]);
      sitting.press('yes', 'enter');
    }
    expect(taken(sitting)).toEqual([{ to: 'close', id: 12 }]);
    expect(sitting.model.commands.at(-1)).toBe(
      'reviewops incident close 12 --checked symptom-gone --checked quality-tests --checked no-new-alert --checked logs --checked communicated',
    );
  });

  it.each([
    ['open', ['resolve']],
    ['paused', ['resolve']],
    ['resolved', ['close']],
    ['closed', []],
  ] as const)('one that is %s has the keys of what can be done', (status, expected) => {
    const sitting = opened();
    sitting.tell({ type: 'loaded', news: { incident: loaded({ ...detail, status }) } });
    const acts = bindingsOf(sitting.model).map(({ action }) => action);
    expect(acts.filter((action) => action === 'resolve' || action === 'close')).toEqual(expected);
  });

  it('the one that is asked about is the one that is changed, whatever the list does', () => {
    const sitting = listed().press('a');
    sitting.tell({
      type: 'loaded',
      news: { incidents: loaded([{ ...row, incidentId: 13 }, row]) },
    });
    expect(taken(sitting.press('yes', 'enter'))).toEqual([{ to: 'acknowledge', id: 12 }]);
  });

  it('lead to the runbook that cures them, whose run belongs to them', () => {
    const sitting = opened().press('c');
    expect(shown(sitting.model)).toMatchObject({ name: 'runbook', runbook: { id: sample.id } });
    sitting.press('enter', 'down', 'down', 'down', 'down', 'enter');
    expect(sitting.take('start')).toMatchObject([{ input: { keep: 7 }, incident: '12' }]);
    expect(sitting.model.commands.at(-1)).toBe(
      'reviewops runbook run clean-up --input keep=7 --incident 12',
    );
  });

  it('a runbook that the cause names comes before the one that failed', () => {
    const sitting = listed().press('enter');
    const runbooks = [{ id: sample.id, input: { keep: 9 } }];
    sitting.tell({ type: 'loaded', news: { incident: loaded({ ...detail, runbooks }) } });
    sitting.press('c', 'enter', 'down', 'down', 'down', 'down', 'enter');
    expect(sitting.take('start')).toMatchObject([{ input: { keep: 9 } }]);
  });

  it('are not changed in read-only mode', () => {
    const sitting = opened(true).press('a');
    expect(sitting.model.overlay).toBeUndefined();
    expect(sitting.model.notice?.text).toContain('Read-only: refused');
    sitting.press('n', 'E', 'p', 'yes', 'enter');
    expect(sitting.press('r').model.overlay).toBeUndefined();
    expect(taken(sitting)).toEqual([]);
  });

  it('no key is there before there is an incident to act on', () => {
    const acts = bindingsOf(new Sitting().press('I').model).map(({ action }) => action);
    expect(acts).not.toContain('acknowledge');
    expect(acts).not.toContain('escalate');
  });
});

describe('at the end of a run', () => {
  it('the report, the footer and the palette offer an incident', async () => {
    const sitting = ended();
    expect(sitting.take('load')).toContainEqual({
      type: 'load',
      what: 'related',
      id: report.runId,
    });
    const text = await draw(sitting.model);
    expect(text).toContain('i opens an incident.');
    expect(text.split('\n').at(-1)).toContain('i incident');
    expect(await draw(sitting.press(':', 'open-inc').model)).toContain('open-incident');
  });

  it('opens one with a level and what people see, nothing else', () => {
    const sitting = ended().press('i', 'enter', 'the shop is empty', 'enter');
    expect(taken(sitting)).toEqual([]);
    sitting.press('p3 the shop is empty', 'enter');
    expect(taken(sitting)).toMatchObject([
      { to: 'open', severity: 'P3', summary: 'the shop is empty', run: { report } },
    ]);
  });

  it('adds to the open one that the run belongs to', async () => {
    const sitting = ended().tell({
      type: 'loaded',
      news: { related: loaded({ runId: report.runId, incident: row }) },
    });
    expect((await draw(sitting.model)).replaceAll(/\s+/g, ' ')).toContain('i updates incident #12');
    sitting.press('i', 'enter', 'tried again', 'enter');
    expect(taken(sitting)).toMatchObject([{ to: 'add', id: 12, text: 'tried again' }]);
  });

  it('one that belongs to another run is not taken for it', () => {
    const sitting = ended().tell({
      type: 'loaded',
      news: { related: loaded({ runId: 'run_20260101_000000_000000', incident: row }) },
    });
    sitting.press('i', 'P3 the shop is empty', 'enter');
    expect(taken(sitting)).toMatchObject([{ to: 'open' }]);
  });

  it('is refused in read-only mode, and not there while the run goes on', () => {
    const sitting = ended(true).press('i');
    expect(sitting.model.overlay).toBeUndefined();
    expect(sitting.model.notice?.text).toContain('Read-only: refused');
    const acts = bindingsOf(new Sitting().started().model).map(({ action }) => action);
    expect(acts).not.toContain('incident-of-run');
  });
});

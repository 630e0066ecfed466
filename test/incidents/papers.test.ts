import { DOMParser } from '@xmldom/xmldom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followUpsDue } from '../../src/incidents/follow-ups.js';
import { type PostMortem, postMortem } from '../../src/incidents/postmortem.js';
import { postMortemMarkdown, toFillIn } from '../../src/incidents/postmortem-text.js';
import { availabilityOf, monthlyReport, percentile } from '../../src/incidents/report.js';
import { reportCsv, reportHtml } from '../../src/incidents/report-formats.js';
import { readIncident } from '../../src/incidents/store.js';
import { act } from '../../src/incidents/work.js';
import { type IncidentWorld, incidentWorld, openOne, see } from '../support/incidents.js';

let world: IncidentWorld;
beforeAll(async () => {
  world = await incidentWorld();
});
afterAll(() => world.dispose());

const nasty = '<script>alert(1)</script> | **x** [a](javascript:b) =1+1';
const all = ['symptom-gone', 'quality-tests', 'no-new-alert', 'logs', 'communicated'] as const;

describe('the post-mortem', () => {
  let made: PostMortem;
  beforeAll(async () => {
    const store = world.store();
    const { id } = await openOne(store, {
      summary: nasty,
      severity: 'P2',
      evidence: { file: 'gold.parquet' },
    });
    world.later(90);
    await act(store, id, { type: 'acknowledge' }, 'ada');
    await act(store, id, { type: 'pause', reason: 'waits' }, 'ada');
    world.later(60);
    await act(store, id, { type: 'continue' }, 'ada');
    world.later(30);
    await act(store, id, { type: 'resolve', rootCause: 'It was | removed.' }, 'bob');
    await act(store, id, { type: 'close', checklist: all }, 'bob');
    const run = {
      runId: 'run_20261116_090000_abcdef',
      runbook: 'gold-incomplete',
      title: 'Gold incomplete',
      state: 'succeeded',
      by: 'cleo',
      host: 'here',
      startedAt: '2026-11-16T10:00:00.000Z',
      finishedAt: '2026-11-16T10:01:00.000Z',
      steps: [{ id: 'rerun', kind: 'act', state: 'done', summary: 'made again' }],
      approvals: [{ by: 'dora', how: '--yes' }],
      notes: [],
      commands: [
        {
          at: '2026-11-16T10:00:30.000Z',
          by: 'cleo',
          command: "psql -c 'SELECT `x` | 1\n<b>'",
          outcome: 'stands for step rerun',
        },
      ],
    };
    const pipeline = {
      runId: 'p1',
      batchId: '20261116_090000',
      command: 'transform',
      from: 'transform',
      status: 'failed',
      by: 'cron',
      startedAt: '2026-11-16T08:59:00.000Z',
      seconds: 3,
      error: nasty,
    };
    const ran = { runbooks: [run], pipeline: [pipeline] };
    made = postMortem(await readIncident(world.client, id), ran, store.config, world.clock.now);
  });

  it('knows times, people, evidence and what was done', () => {
    expect(made).toMatchObject({
      secondsToRespond: 90 * 60,
      secondsToResolve: 120 * 60,
      firstResponseBy: 'ada',
      people: ['ada', 'bob', 'cleo', 'dora', 'test'],
      breaches: [{ clock: 'respond' }],
      human: { rootCause: 'It was | removed.', lessons: null },
    });
    expect(made.evidence[0]).toMatchObject({ evidence: { file: 'gold.parquet' } });
    expect(made.timeline.map(({ at }) => at)).toEqual(made.timeline.map(({ at }) => at).sort());
    expect(made.commands.map(({ command }) => command)).toEqual([
      'reviewops pipeline transform --batch-id 20261116_090000',
      "psql -c 'SELECT `x` | 1\n<b>'",
    ]);
  });

  it('marks what people have to say, and only that', () => {
    const text = postMortemMarkdown(made);
    const open = text.split('\n## ').filter((part) => part.includes(toFillIn));
    expect(open.map((part) => part.split('\n')[0])).toEqual([
      'Impact on users',
      'Impact on the business',
      'Corrective actions',
      'Preventive measures',
      'Action items',
      'Lessons',
    ]);
    expect(text).not.toContain('<script>');
    expect(text).not.toContain('](javascript');
    expect(text).toContain('It was \\| removed.');
    expect(text).toContain("| `` psql -c 'SELECT `x` \\| 1 ⏎ <b>' `` |");
    // Every line of the time line has its date.
    const lines = text
      .slice(text.indexOf('## Time line'))
      .split('\n')
      .filter((line) => /^\| 2/.test(line));
    expect(lines.length).toBeGreaterThan(6);
  });
});

describe('action items', () => {
  it('are followed up until they are done', async () => {
    const store = world.store();
    const { id } = await openOne(store);
    await act(store, id, { type: 'add-action', text: 't', owner: 'ada', due: '2026-11-20' }, 'ada');
    const late = new Date('2026-11-21T00:00:00Z');
    expect((await followUpsDue(world.client, new Date('2026-11-20T23:00:00Z'))).late).toEqual([]);
    expect((await followUpsDue(world.client, late)).late).toEqual([
      { incidentId: id, item: 1, owner: 'ada', due: '2026-11-20' },
    ]);
    await act(store, id, { type: 'finish-action', item: 1 }, 'ada');
    expect(await followUpsDue(world.client, late)).toEqual({ open: 0, late: [] });
    await act(store, id, { type: 'resolve' }, 'ada');
  });
});

describe('the report of a month', () => {
  it('counts by severity, times, what was missed, what came back, and availability', async () => {
    world.clock.now = new Date('2027-02-01T00:00:00Z');
    const store = world.store();
    // Two that overlap from hour 0 to 3 of the first, one hour of a third: four hours of 28 days.
    for (const [day, minutes] of [
      [3, 120],
      [3, 180],
      [10, 60],
    ] as const) {
      world.clock.now = new Date(Date.UTC(2027, 1, day));
      const { incident } = await see(store, {
        cause: `down/${day}/${minutes}`,
        service: 'database',
        severity: 'P1',
        summary: nasty,
      });
      world.later(10);
      await act(store, incident.id, { type: 'acknowledge' }, 'ada');
      world.later(minutes - 10);
      await act(store, incident.id, { type: 'resolve' }, 'ada');
    }
    world.clock.now = new Date('2027-03-05T00:00:00Z');
    const report = await monthlyReport(store, '2027-02');
    expect(report.levels[0]).toMatchObject({
      severity: 'P1',
      opened: 3,
      unresolved: 0,
      respond: { mean: 600, p50: 600, p90: 600 },
      resolve: { mean: 7200, p50: 7200, p90: 10_800 },
      breaches: { respond: 0, resolve: 0 },
    });
    const [database, etl] = report.availability;
    expect(database).toMatchObject({ downSeconds: 4 * 3600, target: 99.9, met: false });
    expect(database?.percent).toBeCloseTo(100 * (1 - 4 / (28 * 24)), 6);
    expect(etl).toMatchObject({ percent: 100, met: true });
    expect(availabilityOf('etl', [], new Date(0), new Date(1000)).met).toBe(true);

    const page = reportHtml(report);
    expect(page).not.toMatch(/<script|onload=|javascript:[^b]/i);
    expect(page).toContain('&lt;script&gt;');
    const errors: string[] = [];
    const parser = new DOMParser({
      onError: (level, message) => errors.push(`${level}: ${message}`),
    });
    const body = page.slice(page.indexOf('<body>'), page.indexOf('</html>'));
    const tree = parser.parseFromString(body, 'text/xml');
    expect(errors).toEqual([]);
    expect(tree.getElementsByTagName('svg').length).toBe(4);

    const [, line = ''] = reportCsv(report).split('\n');
    expect(line).toMatch(/^\d+,P1,resolved,2027-02-03T00:00:00.000Z,600,7200,false,/);
  });

  it('takes percentiles by the nearest rank', () => {
    expect([
      percentile([], 0.5),
      percentile([1, 2, 3, 4], 0.5),
      percentile([1, 2, 3, 4], 0.9),
    ]).toEqual([null, 2, 4]);
  });
});

import { DOMParser, type Element } from '@xmldom/xmldom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CheckState, checkStates } from '../../src/health/check.js';
import { junitText } from '../../src/health/formats/junit.js';
import { nagiosText } from '../../src/health/formats/nagios.js';
import { prometheusText } from '../../src/health/formats/prometheus.js';
import type { CheckResult, HealthReport } from '../../src/health/runner.js';

function result(more: Partial<CheckResult>): CheckResult {
  return {
    name: 'gold',
    title: 'Gold',
    group: 'lake',
    state: 'ok',
    summary: 'fine',
    value: null,
    unit: null,
    threshold: null,
    seconds: 0.25,
    runbook: null,
    next: null,
    evidence: {},
    ...more,
  };
}

function reportOf(checks: CheckResult[], state: CheckState = 'critical'): HealthReport {
  const counts = Object.fromEntries(
    checkStates.map((name) => [name, checks.filter((check) => check.state === name).length]),
  ) as HealthReport['counts'];
  return { state, counts, checks, at: '2026-01-31T23:59:59.123Z', seconds: 0.5 };
}

const nasty = `<a b="c">&amp; ]]> | ' \\ \u0000\u001b[31m\ud800 é\n\t${'x'.repeat(300)}`;
const cure = { id: 'vacuum', input: {}, command: 'reviewops runbook run vacuum' };
const mixed = reportOf([
  result({
    name: 'database',
    group: 'database',
    value: 0.0012,
    unit: 'seconds',
    threshold: { warning: 0.2, critical: 1 },
  }),
  result({
    name: 'dead-rows',
    group: 'database',
    state: 'warning',
    value: 25,
    unit: 'percent',
    threshold: { warning: 20, critical: null },
    runbook: cure,
  }),
  result({ name: 'tls', group: 'database', state: 'skipped', summary: 'not here' }),
  result({
    name: 'incidents',
    group: 'operations',
    state: 'unknown',
    summary: 'may not be read',
    next: 'Grant it.',
  }),
  result({ state: 'critical', summary: nasty, runbook: cure, next: nasty }),
]);

const summaries = fc.string({ unit: 'binary', maxLength: 60 });

describe('JUnit', () => {
  /** Anything that is not well-formed fails. */
  function parse(text: string) {
    return new DOMParser({
      onError: (_level, message) => {
        // What XML cannot hold is replaced by that very character.
        if (!message.includes('Unicode replacement character')) throw new Error(message);
      },
    }).parseFromString(text, 'text/xml');
  }

  it('counts what it holds, in the schema’s terms', () => {
    const document = parse(junitText(mixed));
    const root = document.documentElement as Element;
    expect(root.tagName).toBe('testsuites');
    const count = (tag: string) => document.getElementsByTagName(tag).length;
    expect(root.getAttribute('tests')).toBe(String(count('testcase')));
    expect(root.getAttribute('failures')).toBe(String(count('failure')));
    expect(root.getAttribute('errors')).toBe(String(count('error')));
    expect(root.getAttribute('skipped')).toBe(String(count('skipped')));
    expect([count('testsuite'), count('failure'), count('error'), count('skipped')]).toEqual([
      3, 2, 1, 1,
    ]);
    const [warned] = document.getElementsByTagName('failure');
    expect(warned?.textContent).toContain('reviewops runbook run vacuum');
    const suite = document.getElementsByTagName('testsuite')[0];
    expect(suite?.getAttribute('timestamp')).toBe('2026-01-31T23:59:59');
  });

  it('stays well-formed, and carries every character XML can hold', () => {
    fc.assert(
      fc.property(summaries, (summary) => {
        const text = junitText(reportOf([result({ state: 'critical', summary })]));
        const message = parse(text).getElementsByTagName('failure')[0]?.getAttribute('message');
        const expected = summary
          .replace(/\p{Surrogate}/gu, '\ufffd')
          // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML cannot hold.
          .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
        expect(message).toBe(expected);
      }),
    );
  });
});

describe('Prometheus', () => {
  interface Family {
    type: string;
    help: string;
    samples: { labels: Record<string, string>; value: number }[];
  }

  /** The text exposition format 0.0.4, and nothing beside it. */
  function parse(text: string): Map<string, Family> {
    expect(text.endsWith('\n')).toBe(true);
    const families = new Map<string, Family>();
    let open: string | undefined;
    for (const line of text.slice(0, -1).split('\n')) {
      const help = /^# HELP ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line);
      const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/.exec(
        line,
      );
      const sample = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(
        line,
      );
      if (help?.[1] !== undefined) {
        expect(families.has(help[1]), `${help[1]} twice`).toBe(false);
        families.set(help[1], { type: '', help: help[2] ?? '', samples: [] });
        open = help[1];
      } else if (type?.[1] !== undefined) {
        const family = families.get(type[1]);
        expect(type[1]).toBe(open);
        if (family !== undefined) family.type = type[2] ?? '';
      } else {
        expect(sample, `not a line of the format: ${line}`).not.toBeNull();
        expect(sample?.[1]).toBe(open);
        families.get(open ?? '')?.samples.push({
          labels: parseLabels(sample?.[2] ?? ''),
          value: Number(sample?.[3]),
        });
      }
    }
    for (const [name, { samples, type }] of families) {
      expect(type, name).toBe('gauge');
      const series = samples.map(({ labels }) => JSON.stringify(labels));
      expect(new Set(series).size, `${name} has a series twice`).toBe(series.length);
    }
    return families;
  }

  function parseLabels(text: string): Record<string, string> {
    const labels: Record<string, string> = {};
    let rest = text;
    while (rest !== '') {
      const pair = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/.exec(rest);
      expect(pair, `labels ${text}`).not.toBeNull();
      labels[pair?.[1] ?? ''] = (pair?.[2] ?? '').replace(/\\(.)/g, (_all, c: string) =>
        c === 'n' ? '\n' : c,
      );
      rest = rest.slice(pair?.[0].length);
    }
    return labels;
  }

  it('says the state of each check in one series of five', () => {
    const families = parse(prometheusText(mixed, { version: '1.2.3' }));
    expect(families.get('reviewops_info')?.samples).toEqual([
      { labels: { version: '1.2.3' }, value: 1 },
    ]);
    const states = families.get('reviewops_health_check_state')?.samples ?? [];
    expect(states).toHaveLength(mixed.checks.length * checkStates.length);
    for (const { name, state } of mixed.checks) {
      const on = states.filter(({ labels, value }) => labels.check === name && value === 1);
      expect(on.map(({ labels }) => labels.state)).toEqual([state]);
    }
    expect(families.get('reviewops_health_check_value')?.samples).toEqual([
      { labels: { check: 'database', unit: 'seconds' }, value: 0.0012 },
      { labels: { check: 'dead-rows', unit: 'percent' }, value: 25 },
    ]);
    expect(families.get('reviewops_health_check_threshold')?.samples).toHaveLength(3);
    expect(families.get('reviewops_health_timestamp_seconds')?.samples[0]?.value).toBe(
      Date.parse(mixed.at) / 1000,
    );
  });

  it('escapes whatever stands in a label', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (version) => {
        const families = parse(prometheusText(mixed, { version }));
        expect(families.get('reviewops_info')?.samples[0]?.labels.version).toBe(version);
      }),
    );
  });
});

describe('Nagios', () => {
  const datum = /^'[^'=]+'=-?\d+(\.\d+)?(s|%|B)?(;[\d.]*){0,4}$/;

  it('is one line with performance data', () => {
    const text = nagiosText(mixed);
    const [line = '', ...rest] = text.split('\n');
    expect(rest).toEqual(['']);
    const [what = '', data = '', ...more] = line.split('|');
    expect(more).toEqual([]);
    expect(what).toMatch(
      /^REVIEWOPS CRITICAL - gold CRITICAL: .*; dead-rows WARNING: .*; incidents UNKNOWN: /,
    );
    for (const entry of data.trim().split(' ')) expect(entry).toMatch(datum);
    expect(data).toContain("'database'=0.0012s;0.2;1");
    expect(data).toContain("'dead-rows'=25%;20");
  });

  it('stays one line whatever was found', () => {
    fc.assert(
      fc.property(summaries, (summary) => {
        const text = nagiosText(reportOf([result({ state: 'critical', summary })]));
        expect(text.split('\n')).toHaveLength(2);
        expect(text.split('|')).toHaveLength(2);
      }),
    );
  });

  it('names a cause once, however many checks it stops', () => {
    const summary = 'no connection';
    const stopped = ['a', 'b', 'c', 'd', 'e'].map((name) =>
      result({ name, state: 'unknown', summary }),
    );
    const text = nagiosText(
      reportOf([...stopped, result({ name: 'f', state: 'unknown', summary: 'no right' })]),
    );
    expect(text).toContain(' - a, b, c and 2 more UNKNOWN: no connection; f UNKNOWN: no right | ');
  });

  it('says OK of a system in which all is well', () => {
    const text = nagiosText(reportOf([result({}), result({ state: 'skipped' })], 'ok'));
    expect(text).toMatch(/^REVIEWOPS OK - 1 checks passed, 1 skipped \| /);
  });
});

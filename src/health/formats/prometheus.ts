import { type CheckState, checkStates } from '../check.js';
import type { HealthReport } from '../runner.js';

interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** The text exposition format of Prometheus, version 0.0.4. */
export function prometheusText(report: HealthReport, tool: { version: string }): string {
  const checks = report.checks;
  const states = (state: CheckState, labels: Record<string, string>): Sample[] =>
    checkStates.map((name) => ({
      labels: { ...labels, state: name },
      value: name === state ? 1 : 0,
    }));
  const limits = (['warning', 'critical'] as const).flatMap((level) =>
    checks.flatMap(({ name, unit, threshold }) => {
      const value = threshold?.[level] ?? null;
      return value === null
        ? []
        : [{ labels: { check: name, unit: unit ?? 'none', level }, value }];
    }),
  );
  return [
    metric('reviewops_info', 'The version that made this report.', [
      { labels: { version: tool.version }, value: 1 },
    ]),
    metric('reviewops_health_state', 'State of the whole: 1 for the state it is in.', [
      ...states(report.state, {}),
    ]),
    metric(
      'reviewops_health_check_state',
      'State of each check: 1 for the state it is in.',
      checks.flatMap(({ name, group, state }) => states(state, { check: name, group })),
    ),
    metric(
      'reviewops_health_check_value',
      'What each check measured, in the unit of its label.',
      checks.flatMap(({ name, unit, value }) =>
        value === null ? [] : [{ labels: { check: name, unit: unit ?? 'none' }, value }],
      ),
    ),
    metric(
      'reviewops_health_check_threshold',
      'Where each check warns and where it is critical, in the unit of its label.',
      limits,
    ),
    metric(
      'reviewops_health_check_runbook_info',
      'The runbook that cures what a check found.',
      checks.flatMap(({ name, runbook }) =>
        runbook === null ? [] : [{ labels: { check: name, runbook: runbook.id }, value: 1 }],
      ),
    ),
    metric(
      'reviewops_health_check_duration_seconds',
      'How long each check took.',
      checks.map(({ name, seconds }) => ({ labels: { check: name }, value: seconds })),
    ),
    metric('reviewops_health_duration_seconds', 'How long all checks took.', [
      { labels: {}, value: report.seconds },
    ]),
    metric('reviewops_health_timestamp_seconds', 'When the checks began, in Unix time.', [
      { labels: {}, value: Date.parse(report.at) / 1000 },
    ]),
  ].join('');
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n');
}

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

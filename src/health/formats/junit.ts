import type { CheckResult, HealthReport } from '../runner.js';

/** JUnit’s XML: a suite for each group; what is not ok and not skipped is a failure or an error. */
export function junitText(report: HealthReport): string {
  const groups = [...new Set(report.checks.map(({ group }) => group))];
  const suites = groups.map((group) =>
    suite(
      group,
      report.at,
      report.checks.filter((check) => check.group === group),
    ),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="reviewops health" ${totals(report.checks, report.seconds)}>`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

const isFailure = ({ state }: CheckResult) => state === 'warning' || state === 'critical';
const isError = ({ state }: CheckResult) => state === 'unknown';
const isSkipped = ({ state }: CheckResult) => state === 'skipped';

function totals(checks: readonly CheckResult[], seconds: number): string {
  const count = (test: (check: CheckResult) => boolean) => checks.filter(test).length;
  return [
    `tests="${checks.length}"`,
    `failures="${count(isFailure)}"`,
    `errors="${count(isError)}"`,
    `skipped="${count(isSkipped)}"`,
    `time="${seconds.toFixed(6)}"`,
  ].join(' ');
}

function suite(name: string, at: string, checks: readonly CheckResult[]): string {
  const seconds = Math.max(0, ...checks.map((check) => check.seconds));
  return [
    // The schema knows no fractions of a second and no zone here.
    `  <testsuite name="${escapeXml(name)}" ${totals(checks, seconds)} timestamp="${at.slice(0, 19)}">`,
    ...checks.map(testcase),
    '  </testsuite>',
  ].join('\n');
}

function testcase(check: CheckResult): string {
  const open = `    <testcase classname="reviewops.health.${escapeXml(check.group)}" name="${escapeXml(check.name)}" time="${check.seconds.toFixed(6)}"`;
  const message = `message="${escapeXml(check.summary)}"`;
  if (isSkipped(check)) return `${open}>\n      <skipped ${message}/>\n    </testcase>`;
  if (!isFailure(check) && !isError(check)) {
    return `${open}>\n      <system-out>${escapeXml(check.summary)}</system-out>\n    </testcase>`;
  }
  const tag = isError(check) ? 'error' : 'failure';
  const cure = [check.runbook?.command, check.next].filter((line) => line != null).join('\n');
  return `${open}>\n      <${tag} type="${check.state}" ${message}>${escapeXml(cure)}</${tag}>\n    </testcase>`;
}

/** Also replaces what no XML may hold, in whatever form. */
const escapeXml = (text: string): string =>
  text
    .replace(/\p{Surrogate}/gu, '\ufffd')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it replaces.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[\r\n\t]/g, (space) => `&#${space.charCodeAt(0)};`);

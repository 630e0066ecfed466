import { type IncidentsConfig, type Severity, severities } from '../config/incidents-schema.js';
import { invalid } from '../system/errors.js';

export { type Severity, severities } from '../config/incidents-schema.js';

/** 0 is the most urgent; what has no level counts least. */
export const rank = (severity: Severity | null): number =>
  severity === null ? severities.length : severities.indexOf(severity);

/** As the preset of the configuration calls it. */
export const severityName = (
  severity: Severity | null,
  names: IncidentsConfig['names'],
): string | null => {
  if (severity === null || names === 'P1-P4') return severity;
  return `P${rank(severity)}`;
};

/** @throws SEVERITY_UNKNOWN (exit 2) */
export function parseSeverity(text: string, names: IncidentsConfig['names']): Severity {
  const found = severities.find((severity) => severityName(severity, names) === text.toUpperCase());
  if (found !== undefined) return found;
  throw invalid('SEVERITY_UNKNOWN', `There is no severity ${JSON.stringify(text)}.`, {
    hint: `It is one of: ${severities.map((severity) => severityName(severity, names)).join(', ')}.`,
  });
}

/** What people write into the column by hand; P0 can only mean the most urgent. */
export function severityByHand(text: unknown): Severity | null {
  const name = typeof text === 'string' ? text.trim().toUpperCase() : '';
  if (name === 'P0') return 'P1';
  return severities.find((severity) => severity === name) ?? null;
}

import type { HealthReport } from '../health/runner.js';
import { healthText } from './health-text.js';
import type { Terminal } from './terminal.js';

export type HealthFormat = 'text' | 'junit' | 'prometheus' | 'nagios';

/** What writes a report of checks in this format. */
export async function healthFormatter(
  format: HealthFormat,
  tool: { version: string },
): Promise<(report: HealthReport, terminal: Terminal) => string> {
  switch (format) {
    case 'junit':
      return (await import('../health/formats/junit.js')).junitText;
    case 'nagios':
      return (await import('../health/formats/nagios.js')).nagiosText;
    case 'prometheus': {
      const { prometheusText } = await import('../health/formats/prometheus.js');
      return (report) => prometheusText(report, tool);
    }
    case 'text':
      return healthText;
  }
}

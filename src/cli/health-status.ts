import type { HealthReport } from '../health/runner.js';
import type { ExitCode } from '../system/errors.js';

/** Of the monitoring plugins, which `health` alone follows. */
export const PluginStatus = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

/** The status of a look; with `critical` a warning counts as ok. */
export function pluginStatus({ counts }: HealthReport, failOn: 'warning' | 'critical'): ExitCode {
  if (counts.critical > 0) return PluginStatus.critical;
  if (failOn === 'warning' && counts.warning > 0) return PluginStatus.warning;
  return counts.unknown > 0 ? PluginStatus.unknown : PluginStatus.ok;
}

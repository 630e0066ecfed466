import type { Config } from '../../config/schema.js';
import { refused } from '../../system/errors.js';

/**
 * Refuses a runbook that may only change things while a maintenance window is open, outside of
 * one. A window ends by the clock: nothing has to close it.
 *
 * @throws WINDOW_CLOSED (exit 3) with the time the next one opens
 */
export function requireWindow(
  { required, windows }: Config['maintenanceWindows'],
  runbook: string,
  now: Date,
): void {
  if (!required.includes(runbook)) return;
  const times = windows.map(({ name, from, until }) => ({
    name,
    from: from === undefined ? -Infinity : Date.parse(from),
    until: Date.parse(until),
  }));
  const at = now.getTime();
  if (times.some(({ from, until }) => from <= at && at < until)) return;
  const next = times.filter(({ from }) => from > at).sort((a, b) => a.from - b.from)[0];
  throw refused(
    'WINDOW_CLOSED',
    `Runbook ${runbook} changes things only inside a maintenance window, and none is open.`,
    {
      hint:
        next === undefined
          ? 'Add one to maintenanceWindows.windows of the configuration; --dry-run shows the plan meanwhile.'
          : `Window ${next.name} opens at ${new Date(next.from).toISOString()}; --dry-run shows the plan meanwhile.`,
    },
  );
}

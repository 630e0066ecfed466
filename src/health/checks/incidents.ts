import type { Clock } from '../../incidents/clocks.js';
import { clocksOf, policyOf } from '../../incidents/clocks.js';
import { followUpsDue } from '../../incidents/follow-ups.js';
import { isOver } from '../../incidents/state.js';
import { type Incident, readIncidents } from '../../incidents/store.js';
import { formatSeconds } from '../../system/duration.js';
import { type Check, critical, judged, ok, several, unknown, warning } from '../check.js';

/** Incidents that go on, and what was promised after those that are over. */

const group = 'operations';
const needs = ['database'] as const;

/** More open ones of the highest severities are an alert by themselves. */
const mostSevere = 2;

/** More than anybody can handle; the most urgent of them are looked at. */
const mostIncidents = 1_000;

const isLate = ({ metAt, due }: Clock, now: Date): boolean =>
  metAt === null && due !== null && due < now;

export const incidents: Check = {
  name: 'incidents',
  title: 'Open incidents',
  group,
  needs,
  run: async ({ config, database, now }) => {
    const probe = await database();
    const rows = await probe.query<{ incident_id: number }>(
      `SELECT incident_id FROM maintenance.incidents WHERE closed_at IS NULL
       ORDER BY severity, opened_at, incident_id LIMIT ${mostIncidents}`,
    );
    const ids = rows.map(({ incident_id: id }) => id);
    const open = (await readIncidents(probe, ids)).filter(({ state }) => !isOver(state));
    const policy = policyOf(config.incidents);
    const late = open.filter(({ state }) => {
      const { resolve } = clocksOf(state, policy, now());
      return isLate(resolve, now());
    });
    const unclear = open.filter(({ state }) => state.severity === null);
    const severe = open.filter(({ state }) => state.severity === 'P1');
    const shared = {
      value: late.length,
      unit: 'count' as const,
      evidence: {
        open: open.length,
        late: late.map(({ id }) => id),
        unclear: unclear.map(({ id }) => id),
        severe: severe.length,
      },
      next: 'See `reviewops incident list`.',
    };
    const name = ({ id, state }: Incident) => {
      const seconds = Math.max(0, (now().getTime() - state.openedAt.getTime()) / 1000);
      return `#${id} (${state.severity ?? 'no severity'}, open for ${formatSeconds(seconds)})`;
    };
    if (late.length > 0) {
      const urgent = late.some(({ state }) => state.severity === 'P1' || state.severity === 'P2');
      const summary = `past their time: ${several(late.map(name))}`;
      return judged(urgent ? 'critical' : 'warning', summary, shared);
    }
    if (severe.length > mostSevere) {
      return critical(`${severe.length} of the highest severity are open`, shared);
    }
    if (unclear.length > 0) {
      return unknown(`no severity to judge by: ${several(unclear.map(name))}`, shared);
    }
    return ok(`${open.length} open, none past its time`, shared);
  },
};

export const followUps: Check = {
  name: 'follow-ups',
  title: 'Action items of incidents',
  group,
  needs,
  run: async ({ database, now }) => {
    const { open, late } = await followUpsDue(await database(), now());
    const shared = { value: late.length, unit: 'count' as const, evidence: { open, late } };
    if (late.length === 0) return ok(`${open} open, none past its date`, shared);
    const names = late.map(
      ({ incidentId, item, owner, due }) => `#${incidentId}.${item} (${owner}, ${due})`,
    );
    return warning(`past their date: ${several(names)}`, {
      ...shared,
      next: `When it is done: reviewops incident action ${late[0]?.incidentId} --done ${late[0]?.item}`,
    });
  },
};

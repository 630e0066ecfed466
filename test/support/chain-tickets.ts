import { expect } from 'vitest';
import type { Severity } from '../../src/config/incidents-schema.js';
import type { HealthReport } from '../../src/health/runner.js';
import { causesOfHealth } from '../../src/incidents/causes.js';
import { checklistItems, type Service } from '../../src/incidents/events.js';
import { type Recorded, recordRecoveries, recordSignal } from '../../src/incidents/signals.js';
import { readIncident } from '../../src/incidents/store.js';
import { act } from '../../src/incidents/work.js';
import type { Way } from './chain.js';
import { type IncidentWorld, signalOf } from './incidents.js';

/** The one ticket that a way of breaking opens. */
export interface Ticket {
  severity: Severity;
  /** `<batch>` stands for the id of the batch that it is linked to. */
  cause: string;
  service?: Service;
  /** It is a run that failed: seen again, it is the same event and nothing that came back. */
  ofRun?: boolean;
}

/** Records what a look at the system found, as the command does. */
async function record(tickets: IncidentWorld, way: Way, report: HealthReport): Promise<Recorded[]> {
  const store = tickets.store();
  const recorded: Recorded[] = [];
  for (const { occurrence, trace } of causesOfHealth(report.checks, way.state, {})) {
    recorded.push(await recordSignal(store, signalOf(store.now(), occurrence, trace)));
  }
  return recorded;
}

const outcomes = (recorded: readonly Recorded[]): string[] =>
  recorded.map(({ outcome, incident: { state } }) => `${outcome} ${state.severity} ${state.cause}`);

export const causeOf = ({ cause }: Ticket, batchId: string | null): string =>
  cause.replace('<batch>', batchId ?? '');

/** A broken system opens exactly one right ticket, however often it is looked at. */
export async function expectOneTicket(
  tickets: IncidentWorld,
  way: Way,
  broken: HealthReport,
): Promise<number> {
  const { ticket } = way;
  const first = await record(tickets, way, broken);
  const batchId = first[0]?.incident.state.batchId ?? null;
  const cause = causeOf(ticket, batchId);
  expect(outcomes(first)).toEqual([`opened ${ticket.severity} ${cause}`]);
  const [{ incident } = {}] = first;
  expect(incident?.state).toMatchObject({
    status: 'open',
    source: 'health',
    service: ticket.service ?? null,
    cures: expect.arrayContaining([expect.objectContaining({ id: way.runbook })]),
  });
  tickets.later(5);
  const again = (await record(tickets, way, broken)).map(({ outcome }) => outcome);
  expect(again).toEqual([ticket.ofRun === true ? 'known' : 'still']);
  return incident?.id ?? 0;
}

/** The cure is recorded with it; what returns reopens it, and nothing else opens. */
export async function expectCured(
  tickets: IncidentWorld,
  way: Way,
  id: number,
  reports: { broken: HealthReport; cured: HealthReport },
): Promise<void> {
  const store = tickets.store();
  const at = tickets.later(30);
  const checks = reports.cured.checks
    .filter(({ state }) => state === 'ok')
    .map(({ name: check, summary }) => ({ check, summary }));
  expect(await recordRecoveries(store, { id: at.toISOString(), at, checks })).toEqual([id]);
  const { state } = await readIncident(tickets.client, id);
  expect([...state.findings].filter(([, active]) => active)).toEqual([]);
  await act(store, id, { type: 'resolve', rootCause: 'A test.' }, 'ada');
  tickets.later(60);
  const returned = await record(tickets, way, reports.broken);
  expect(returned.map(({ outcome, incident }) => [outcome, incident.id])).toEqual([
    [way.ticket.ofRun === true ? 'known' : 'reopened', id],
  ]);
  await act(store, id, { type: 'resolve' }, 'ada');
  await act(store, id, { type: 'close', checklist: checklistItems }, 'ada');
  // The next one with this cause is a ticket of its own.
  tickets.later((store.config.reopenDays + 1) * 24 * 60);
}

/** What is broken in different ways at the same time stays as many tickets as there are causes. */
export async function expectDistinct(
  tickets: IncidentWorld,
  seen: readonly { way: Way; report: HealthReport }[],
): Promise<void> {
  const causes = new Set<string>();
  for (const { way, report } of seen) {
    for (const { incident } of await record(tickets, way, report)) {
      causes.add(causeOf(way.ticket, incident.state.batchId));
    }
  }
  const rows = await tickets.client.query<{ cause: string }>(
    'SELECT cause FROM maintenance.incidents ORDER BY incident_id',
  );
  expect(rows.map(({ cause }) => cause).sort()).toEqual([...causes].sort());
}

import type { IncidentEvent } from './events.js';

const joined = (...parts: (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== '').join(' ');

const optional = (label: string, text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : `${label}: ${text}`;

/** An event in one line of plain text; who prints it escapes what people wrote. */
export function describeEvent(event: IncidentEvent): string {
  switch (event.type) {
    case 'opened':
      return `Opened as ${event.severity}: ${event.summary}`;
    case 'recorded':
      return 'Written into the table by hand.';
    case 'edited':
      return `Changed by hand: ${Object.keys(event.columns).join(', ')}.`;
    case 'occurred':
      return `Seen again: ${event.summary}`;
    case 'recovered':
      return `No longer found by ${event.check}: ${event.summary}`;
    case 'acknowledged':
      return 'Acknowledged.';
    case 'assigned':
      return `Assigned to ${event.owner}.`;
    case 'noted':
      return event.text;
    case 'paused':
      return `Paused: ${event.reason}`;
    case 'continued':
      return 'Continued.';
    case 'severity.changed':
      return `Severity is now ${event.severity}: ${event.reason}`;
    case 'resolved':
      return joined(
        'Resolved.',
        optional('Root cause', event.rootCause),
        optional('Action', event.action),
      );
    case 'closed':
      return joined(
        'Closed with its checklist.',
        optional('Root cause', event.rootCause),
        optional('Action', event.action),
      );
    case 'reopened':
      return joined(`Reopened: ${event.reason}.`, event.summary);
    case 'merged':
      return `Merged into #${event.into}.`;
    case 'absorbed':
      return `Took in #${event.from}: ${event.summary}`;
    case 'escalated':
      return joined(
        `Called ${event.role} (${reasons[event.reason]}):`,
        event.contacts.length === 0 ? 'no contact is configured' : event.contacts.join(', '),
      );
    case 'status':
      return `Status: ${event.text}`;
    case 'review.due':
      return `It came ${event.times} times within ${event.days} days: review the architecture.`;
    case 'runbook':
      return joined(`Runbook ${event.runbook} (${event.runId}) ${event.state}.`, event.summary);
    case 'action.added':
      return `Action item ${event.item} for ${event.owner}, due ${event.due}: ${event.text}`;
    case 'action.done':
      return `Action item ${event.item} is done.`;
    case 'linked':
      return `Ticket ${event.id} in ${event.tracker}.`;
  }
}

const reasons = {
  opened: 'first call',
  unacknowledged: 'nobody acknowledged',
  time: 'time to escalate',
  resolve: 'not resolved in time',
  person: 'asked for',
} as const;

import { z } from 'zod';

/** The part of the configuration that says how incidents are handled; see schema.ts. */

/** From the most urgent. The preset `P0-P3` shows and takes them as P0 to P3. */
export const severities = ['P1', 'P2', 'P3', 'P4'] as const;
export type Severity = (typeof severities)[number];

const severity = z.enum(severities);

/** Minutes, hours, days, weeks; `wd` and `wh`: working days and hours. */
export const spanPattern = /^(\d+(?:\.\d+)?)(m|h|d|w|wd|wh)$/;

const span = (description: string, value: string) =>
  z
    .string()
    .regex(spanPattern, 'a span such as 15m, 4h, 5d, 1w, 1wd (working day) or 8wh')
    .default(value)
    .describe(description)
    .meta({ examples: ['15m', '1wd'] });

const role = z.string().regex(/^[a-z][a-z0-9-]*$/, 'lower case, digits and hyphens');

const level = (
  name: string,
  spans: { respond: string; resolve: string; escalate: string },
  chain: string[],
) =>
  z
    .strictObject({
      respond: span(`${name}: when somebody has to have answered.`, spans.respond),
      resolve: span(`${name}: when it has to be resolved; escalates by itself.`, spans.resolve),
      escalate: span(`${name}: when the next of the chain is called in any case.`, spans.escalate),
      chain: z
        .array(role)
        .min(1)
        .default(chain)
        .describe(`${name}: roles in the order in which they are called; "user" is who reports.`),
    })
    .prefault({});

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'a time such as 09:00');
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const weekdays = z.array(z.enum(days)).min(1);

const zone = z
  .string()
  .refine((name) => isZone(name), 'a time zone such as Europe/Paris')
  .meta({ examples: ['Europe/Paris'] });

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    // What is no zone is what is asked here.
    return false;
  }
}

const hours = z.strictObject({
  from: clock.default('09:00').describe('When working hours begin.'),
  until: clock.default('17:00').describe('When working hours end.'),
});

const contact = z.strictObject({
  name: z.string().trim().min(1),
  role,
  email: z.email().optional(),
  phone: z.string().min(1).optional(),
  days: weekdays.optional(),
  from: clock.optional(),
  until: clock.optional(),
});
export type Contact = z.infer<typeof contact>;

const variable = z.string().regex(/^[A-Z_][A-Z0-9_]*$/, 'the name of a variable');

const channelBase = {
  name: z.string().trim().min(1),
  severities: z
    .array(severity)
    .min(1)
    .default([...severities]),
};

const http = z.url({ protocol: /^https?$/ });

const channel = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...channelBase,
      kind: z.literal('email'),
      host: z.string().min(1),
      port: z.int().min(1).max(65_535).default(587),
      secure: z.boolean().default(false),
      requireTls: z.boolean().default(true),
      from: z.string().min(3),
      to: z.array(z.email()).default([]),
      user: z.string().min(1).optional(),
      passwordVariable: variable.default('REVIEWOPS_SMTP_PASSWORD'),
    }),
    z.strictObject({
      ...channelBase,
      kind: z.literal('slack'),
      urlVariable: variable.default('REVIEWOPS_SLACK_WEBHOOK_URL'),
    }),
    z.strictObject({
      ...channelBase,
      kind: z.literal('webhook'),
      urlVariable: variable.default('REVIEWOPS_WEBHOOK_URL'),
      secretVariable: variable.optional(),
    }),
    z.strictObject({
      ...channelBase,
      kind: z.literal('pagerduty'),
      keyVariable: variable.default('REVIEWOPS_PAGERDUTY_KEY'),
      url: http.default('https://events.pagerduty.com'),
    }),
    z.strictObject({
      ...channelBase,
      severities: z.array(severity).min(1).default(['P1']),
      kind: z.literal('sms'),
      urlVariable: variable.default('REVIEWOPS_SMS_URL'),
      tokenVariable: variable.default('REVIEWOPS_SMS_TOKEN'),
      to: z.array(z.string().min(1)).default([]),
    }),
  ])
  .meta({ type: 'object' });
export type ChannelSettings = z.infer<typeof channel>;

const trackerBase = {
  name: z.string().trim().min(1),
  severities: z
    .array(severity)
    .min(1)
    .default([...severities]),
};
const perSeverity = <T extends z.ZodType>(value: T) => z.partialRecord(severity, value);
const trackerStates = ['open', 'acknowledged', 'paused', 'resolved', 'closed'] as const;
const perState = z.partialRecord(z.enum(trackerStates), z.string().min(1));

const tracker = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...trackerBase,
      kind: z.literal('jira'),
      url: http,
      user: z.string().min(1),
      tokenVariable: variable.default('REVIEWOPS_JIRA_TOKEN'),
      project: z.string().min(1),
      issueType: z.string().min(1).default('Task'),
      priorities: perSeverity(z.string().min(1)).default({
        P1: 'Highest',
        P2: 'High',
        P3: 'Medium',
        P4: 'Low',
      }),
      states: perState.default({ open: 'To Do', acknowledged: 'In Progress', closed: 'Done' }),
    }),
    z.strictObject({
      ...trackerBase,
      kind: z.literal('linear'),
      url: http.default('https://api.linear.app/graphql'),
      tokenVariable: variable.default('REVIEWOPS_LINEAR_TOKEN'),
      team: z.uuid(),
      priorities: perSeverity(z.int().min(0).max(4)).default({ P1: 1, P2: 2, P3: 3, P4: 4 }),
      states: perState.default({ open: 'Todo', acknowledged: 'In Progress', closed: 'Done' }),
    }),
    z.strictObject({
      ...trackerBase,
      kind: z.literal('notion'),
      url: http.default('https://api.notion.com'),
      tokenVariable: variable.default('REVIEWOPS_NOTION_TOKEN'),
      database: z.string().regex(/^[0-9a-f-]{32,36}$/i, 'the id of a database'),
      titleProperty: z.string().min(1).default('Name'),
      keyProperty: z.string().min(1).default('Incident'),
      severityProperty: z.string().min(1).default('Severity'),
      statusProperty: z.string().min(1).default('Status'),
      priorities: perSeverity(z.string().min(1)).default({
        P1: 'P1',
        P2: 'P2',
        P3: 'P3',
        P4: 'P4',
      }),
      states: perState.default({
        open: 'Not started',
        acknowledged: 'In progress',
        closed: 'Done',
      }),
    }),
  ])
  .meta({ type: 'object' });
export type TrackerSettings = z.infer<typeof tracker>;

export const incidentsSchema = z.strictObject({
  names: z
    .enum(['P1-P4', 'P0-P3'])
    .default('P1-P4')
    .describe('How the four levels are called in commands and messages; the database keeps P1-P4.'),
  levels: z
    .strictObject({
      P1: level('Service down', { respond: '15m', resolve: '4h', escalate: '0m' }, [
        'user',
        'support',
        'data-engineer',
        'admin',
        'it-manager',
      ]),
      P2: level('Pipeline stopped', { respond: '1h', resolve: '8h', escalate: '2h' }, [
        'user',
        'data-engineer',
        'admin',
      ]),
      P3: level('Degraded quality', { respond: '4h', resolve: '48h', escalate: '24h' }, [
        'user',
        'data-engineer',
      ]),
      P4: level('Small anomaly', { respond: '1wd', resolve: '5d', escalate: '1w' }, [
        'user',
        'data-engineer',
      ]),
    })
    .prefault({}),
  acknowledgeMinutes: z
    .number()
    .positive()
    .default(30)
    .describe('Without an acknowledgement for this long, the next of the chain is called.'),
  statusMinutes: z
    .number()
    .positive()
    .default(30)
    .describe('Minutes between two status messages of a P1 that is not resolved.'),
  timeZone: zone.default('UTC').describe('Where working days and hours of contacts are counted.'),
  workingDays: weekdays
    .default(['mon', 'tue', 'wed', 'thu', 'fri'])
    .describe('Days that count for spans in wd and wh.'),
  workingHours: hours.prefault({}),
  holidays: z
    .array(z.iso.date())
    .default([])
    .describe('Days that do not count, such as 2026-12-25.'),
  reopenDays: z
    .number()
    .nonnegative()
    .default(7)
    .describe(
      'A cause that returns within these days reopens its incident; later it is a new one.',
    ),
  repeatTimes: z
    .int()
    .min(2)
    .default(3)
    .describe(
      'How often a cause comes within repeatDays until its architecture is to be reviewed.',
    ),
  repeatDays: z.number().positive().default(30).describe('Days over which repeats are counted.'),
  openFrom: z
    .strictObject({
      pipeline: z.boolean().default(true).describe('Failed pipeline runs open an incident.'),
      runbooks: z.boolean().default(true).describe('Failed runbooks open an incident.'),
      health: z
        .enum(['never', 'critical', 'warning'])
        .default('critical')
        .describe('From which state on a finding of `health` opens an incident.'),
    })
    .prefault({}),
  severities: z
    .record(z.string().min(1), severity)
    .default({})
    .describe(
      'Level of a cause in place of the built-in rules: by name of the check, code of the error, or id of the runbook.',
    ),
  contacts: z
    .array(contact)
    .default([])
    .describe(
      'People by role: name, role, email, phone, and the hours they are on call (days, from, until).',
    ),
  channels: z
    .array(channel)
    .default([])
    .describe('How people are told: email, slack, webhook, pagerduty, sms (docs/incidents.md).'),
  trackers: z
    .array(tracker)
    .default([])
    .describe('Where tickets are mirrored: jira, linear, notion (docs/incidents.md).'),
  attempts: z
    .int()
    .min(1)
    .default(10)
    .describe(
      'Attempts after which a message counts as stuck and is not tried by itself any more.',
    ),
});
export type IncidentsConfig = z.infer<typeof incidentsSchema>;

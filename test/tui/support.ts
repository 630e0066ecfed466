import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import type { CheckResult } from '../../src/health/runner.js';
import type { IncidentRow } from '../../src/incidents/read-model.js';
import { defineRunbook, type Runbook } from '../../src/runbooks/engine/definition.js';
import type { RunEvent } from '../../src/runbooks/engine/events.js';
import type { Plan } from '../../src/runbooks/engine/plan.js';
import type { RunReport } from '../../src/runbooks/engine/report.js';
import { ExitCode, OperatorError } from '../../src/system/errors.js';
import {
  begin,
  type Effect,
  type Message,
  type Model,
  type Size,
} from '../../src/tui/state/model.js';
import { update } from '../../src/tui/state/update.js';
import type { Press } from '../../src/tui/terminal/decode.js';
import type { InkHost } from '../../src/tui/terminal/host.js';
import { themeOf } from '../../src/tui/theme.js';

/** A moment at which nothing happens by itself. */
export const now = Date.parse('2026-01-02T03:04:05Z');

export const sample: Runbook = defineRunbook({
  id: 'clean-up',
  title: 'Clean up what is old',
  summary: 'Removes old things.',
  symptoms: ['the shop is full of old things'],
  tags: ['sample'],
  roles: ['admin'],
  risk: 'destroy',
  inputs: z.strictObject({
    batchId: z
      .string()
      .regex(/^\d+$/, 'is no batch id')
      .optional()
      .describe('The batch concerned.'),
    deep: z.boolean().default(false).describe('Also what lies below.'),
    keep: z.int().nonnegative().default(3).describe('How many stay.'),
  }),
  targets: () => [],
  steps: [
    {
      kind: 'check',
      id: 'look',
      title: 'Is there anything old?',
      why: 'Without anything old there is nothing to do.',
      manual: ({ batchId }) => `ls ${batchId ?? 'BATCH'}`,
      run: async () => ({ state: 'ok', summary: 'Nothing.' }),
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'What goes',
      why: 'Nothing else is touched.',
      manual: () => 'ls',
      run: async () => plan(0),
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Remove them?',
      why: 'They cannot be brought back.',
      manual: () => 'ask the owner',
      name: () => 'things',
      question: () => 'Things will be removed.',
    },
    {
      kind: 'act',
      id: 'remove',
      title: 'Remove them',
      why: 'They take space.',
      manual: () => 'rm',
      run: async () => ({}),
      verify: async () => ({ done: true, summary: 'Gone.' }),
    },
  ],
});

export const plan = (targets: number): Plan => ({
  summary: `${targets} things go.`,
  targets: Array.from({ length: targets }, (_, index) => ({
    type: 'thing',
    name: `thing-${index + 1}`,
    action: 'remove',
    state: { bytes: index * 10 },
  })),
  totals: { bytes: 12 },
  notes: ['They do not come back.'],
});

export const question = (count: number) => ({
  type: 'approve' as const,
  step: 'approve',
  text: 'Things will be removed.',
  risk: 'destroy' as const,
  name: 'things',
  count,
  plan: plan(count),
  planHash: 'f'.repeat(64),
  approvedBy: null,
});

/** The program without the world: messages in, state and effects out. */
export class Sitting {
  model: Model;
  effects: Effect[] = [];

  constructor(options: { size?: Size; readOnly?: boolean; runbooks?: Runbook[] } = {}) {
    const { size = { columns: 80, rows: 24 }, readOnly = false, runbooks = [sample] } = options;
    this.model = begin({
      size,
      now,
      tool: 'reviewops 0.0.0',
      operator: 'ada',
      readOnly,
      wanted: undefined,
    });
    this.tell({
      type: 'loaded',
      news: { runbooks: { value: runbooks, error: undefined, loading: false, at: now } },
    });
  }

  tell(message: Message): this {
    const [model, effects] = update(this.model, message);
    this.model = model;
    this.effects.push(...effects);
    return this;
  }

  /** Keys by name; everything else is typed by the character. */
  press(...keys: string[]): this {
    const names =
      /^(enter|esc|tab|shift-tab|up|down|left|right|home|end|pageup|pagedown|backspace|delete|ctrl-.)$/;
    const presses = keys.flatMap((key): Press[] =>
      names.test(key) ? [{ key }] : [...key].map((char) => ({ key: char })),
    );
    for (const press of presses) this.tell({ type: 'press', press, at: now });
    return this;
  }

  events(...events: RunEvent[]): this {
    return this.tell({ type: 'run.events', events, at: now });
  }

  /** Effects since the last time, of one type. */
  take<Type extends Effect['type']>(type: Type): Extract<Effect, { type: Type }>[] {
    const found = this.effects.filter((effect) => effect.type === type);
    this.effects = this.effects.filter((effect) => effect.type !== type);
    return found as Extract<Effect, { type: Type }>[];
  }

  /** The sample is opened and started. */
  started(): this {
    this.press('enter', 'enter', 'down', 'down', 'down', 'down', 'enter');
    return this.events(startedEvent);
  }
}

export const startedEvent: Extract<RunEvent, { type: 'run.started' }> = {
  type: 'run.started',
  runId: 'run_20260102_030405_abcdef',
  runbook: sample.id,
  title: sample.title,
  definition: 'd'.repeat(64),
  input: { deep: false, keep: 3 },
  by: { user: 'ada', host: 'here', pid: 1, startedAt: undefined, machine: 'here' },
  dryRun: false,
  incident: null,
  tool: '0.0.0',
};

/** The sample as it ends when it fails. */
export const report: RunReport = {
  runId: startedEvent.runId,
  runbook: sample.id,
  state: 'failed',
  exitCode: ExitCode.failed,
  reason: 'The disk is full.',
  error: new OperatorError('DISK_FULL', ExitCode.failed, 'The disk is full.'),
  changed: false,
  steps: [],
  plan: null,
  planHash: null,
  branch: null,
  reportFiles: null,
  remains: null,
  due: null,
  resume: `reviewops runbook resume ${startedEvent.runId}`,
};

/** What surrounds a value that was fetched. */
export const fetched = { error: undefined, loading: false, at: now };

/** An incident that nobody has answered. */
export const incident: IncidentRow = {
  incidentId: 7,
  severity: 'P2',
  status: 'open',
  summary: 'The shop is empty',
  owner: null,
  openedAt: new Date(now - 60_000).toISOString(),
  closedAt: null,
  batchId: null,
  source: 'person',
  respondBy: new Date(now + 59 * 60_000).toISOString(),
  resolveBy: new Date(now + 480 * 60_000).toISOString(),
  escalateAt: null,
  nextStatusAt: null,
  breached: false,
  reviewDue: false,
};

/** A health report as the first screen, or the live one, fetches it. */
export function looked(
  what: 'glance' | 'health',
  checks: readonly Partial<CheckResult>[],
): Extract<Message, { type: 'loaded' }> {
  const counts = { ok: 0, skipped: 0, unknown: 0, warning: 0, critical: 0 };
  const whole = checks.map((check): CheckResult => {
    const one: CheckResult = {
      name: 'database',
      title: '',
      group: 'database',
      state: 'ok',
      summary: '',
      value: null,
      unit: null,
      threshold: null,
      seconds: 0,
      runbook: null,
      next: null,
      evidence: {},
      ...check,
    };
    counts[one.state] += 1;
    return one;
  });
  const at = new Date(now).toISOString();
  const value = { state: 'ok' as const, counts, checks: whole, at, seconds: 0 };
  return { type: 'loaded', news: { [what]: { ...fetched, value } } };
}

let ink: InkHost | undefined;

/** What the renderer draws of the state, as plain text or with its styles. */
export async function draw(model: Model, options: { color?: boolean } = {}): Promise<string> {
  // Whatever this terminal is: the theme decides. Read when the modules below are loaded.
  process.env.FORCE_COLOR = '1';
  const [{ createElement }, { App }, { openInk }] = await Promise.all([
    import('react'),
    import('../../src/tui/components/app.js'),
    import('../../src/tui/terminal/host.js'),
  ]);
  ink ??= openInk(model.size);
  const theme = themeOf(options.color === true);
  const frame = ink.render(createElement(App, { model, theme }), model.size);
  return options.color === undefined ? stripVTControlCharacters(frame) : frame;
}

import { join } from 'node:path';
import { z } from 'zod';
import type { LogPlaces, PlannedLogs } from '../maintenance/purge-logs.js';
import { defineRunbook, type StepContext } from './engine/definition.js';
import type { Plan } from './engine/plan.js';
import { ageOf, amount, purged, purgeInputs, purgeTimeout } from './support/purge.js';

const inputs = z.strictObject({
  olderThan: purgeInputs.olderThan.describe(
    'Age from which logs go, by when they were last written, such as 30d. Default: retention.logDays.',
  ),
  rate: purgeInputs.rate,
});
type Input = z.output<typeof inputs>;

const places = async ({ services }: StepContext<Input>): Promise<LogPlaces> => ({
  lake: await services.lake(),
  directory: join(services.home, 'logs'),
});

async function plan(context: StepContext<Input>): Promise<Plan> {
  const { input, services } = context;
  const { findLogs } = await import('../maintenance/purge-logs.js');
  const age = ageOf(input.olderThan, services.config.retention.logDays);
  const where = await places(context);
  const groups = await findLogs(where, new Date(services.now().getTime() - age * 1000));
  const objects = groups.reduce((sum, group) => sum + group.objects, 0);
  const bytes = groups.reduce((sum, group) => sum + group.bytes, 0);
  return {
    summary:
      objects === 0
        ? `No log of ${where.lake.description} is that old.`
        : `Delete ${amount(objects, bytes)} of logs.`,
    targets: groups.map((group) => ({
      type: 'logs',
      name: `${group.place} ${group.month}`,
      action: `delete the logs last written in ${group.month} in ${group.place === 'lake' ? 'the lake' : where.directory}`,
      state: {
        place: group.place,
        month: group.month,
        objects: group.objects,
        bytes: group.bytes,
        newest: group.newest.toISOString(),
        fingerprint: group.fingerprint,
      },
    })),
    totals: { objects, bytes },
    notes: [
      'last_run_metrics.json, the journals of runbooks and the logs of runs that are at work stay.',
    ],
  };
}

const planned = (context: StepContext<Input>): PlannedLogs[] =>
  (context.plan?.targets ?? []).map(({ state }) => ({
    place: state.place === 'local' ? 'local' : 'lake',
    month: String(state.month),
    newest: new Date(String(state.newest)),
  }));

export default defineRunbook({
  module: import.meta.url,
  id: 'purge-logs',
  title: 'Delete old logs of runs',
  summary:
    'Deletes logs of pipeline runs that are older than 30 days, in the lake and what killed runs left in the state directory.',
  symptoms: [
    'too many logs',
    'logs too big',
    'old logs',
    'log purge',
    'logs fill the disk',
    'disk full',
  ],
  tags: ['logs', 'space', 'retention'],
  roles: ['admin', 'data-engineer'],
  risk: 'destroy',
  inputs,
  targets: () => ['purge=logs'],
  steps: [
    {
      kind: 'plan',
      id: 'plan',
      title: 'Find the old logs',
      why: 'A log says what happened in a run. Once nobody asks about that run any more, it only costs space.',
      manual: () => 'aws s3 ls --recursive s3://BUCKET/logs/',
      timeout: 3600,
      run: plan,
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the deletion',
      why: 'Nothing brings a deleted log back.',
      manual: () => 'reviewops logs purge --plan HASH',
      name: () => 'logs',
      question: ({ plan: shown }) => `${shown?.summary} This cannot be undone.`,
    },
    {
      kind: 'act',
      id: 'delete',
      title: 'Delete the logs',
      why: 'In groups of 1,000; Ctrl-C stops between two groups, and a resumed run deletes the rest.',
      manual: () => 'aws s3 rm s3://BUCKET/logs/RUN_ID.jsonl',
      timeout: purgeTimeout,
      run: async (context) => {
        const { input, services, signal } = context;
        const { purgeLogs } = await import('../maintenance/purge-logs.js');
        const total = Number(context.plan?.totals.objects);
        const started = performance.now();
        await purgeLogs(await places(context), planned(context), {
          signal,
          perSecond: input.rate ?? services.config.retention.deletesPerSecond,
          onRemoved: (objects) => context.progress(objects, Math.max(objects, total), 'files'),
        });
        return { seconds: (performance.now() - started) / 1000 };
      },
      verify: async (context) => {
        const { remainingLogs } = await import('../maintenance/purge-logs.js');
        const left = await remainingLogs(await places(context), planned(context));
        const { objects, bytes } = (context.plan?.totals ?? {}) as Record<string, number>;
        const before = { objects: objects ?? 0, bytes: bytes ?? 0 };
        return purged(before, left, { done: left.objects === 0 });
      },
    },
  ],
});

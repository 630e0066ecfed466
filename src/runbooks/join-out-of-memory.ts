import { statfs } from 'node:fs/promises';
import type { RunWithMean } from '../pipeline/history.js';
import { type Stage, stages } from '../pipeline/stage.js';
import { formatBytes } from '../system/duration.js';
import { defineRunbook, type Finding, type StepContext } from './engine/definition.js';
import type { PlanTarget } from './engine/plan.js';
import { findReruns, look, orUnknown, recentRuns } from './support/evidence.js';
import { type BatchInput, batchInput, idIn } from './support/inputs.js';
import { plannedReruns, repairTarget, rerunPlan, runAgain, unended } from './support/rerun.js';

type Context = StepContext<BatchInput>;

const outOfMemory = 'ENGINE_OUT_OF_MEMORY';

/** The last run that ended for want of memory, unless a later one of its batch came through. */
async function failedRun(context: Context): Promise<RunWithMean | undefined> {
  const runs = await recentRuns(context, context.input.batchId);
  const failed = runs.find(({ errorCode }) => errorCode === outOfMemory);
  const cured = runs.some(
    (run) =>
      run.status === 'succeeded' &&
      run.batchId === failed?.batchId &&
      run.startedAt > failed.startedAt,
  );
  return cured ? undefined : failed;
}

/** The stage that failed: a run's message begins with it. */
const stageOf = ({ errorMessage }: RunWithMean): Stage =>
  stages.find((stage) => errorMessage?.startsWith(`${stage}: `) === true) ?? 'transform';

const layerOf = { extract: 'bronze', transform: 'silver', model: 'gold' } as const;

async function makeTargets(context: Context) {
  const run = await failedRun(context);
  if (run === undefined) return [];
  const { machineMemory, roomierLimits } = await import('../diagnosis/memory.js');
  const limits = roomierLimits(context.services.config.pipeline, machineMemory().total);
  if (limits === undefined) return [];
  const from = stageOf(run);
  const reason = `run ${run.runId} ran out of memory in ${from}`;
  const { batchIds } = await import('../lake/published.js');
  const { manifestState } = await import('../diagnosis/rerun.js');
  const known = await batchIds(await context.services.lake());
  const { batchId } = run;
  const reruns = known.includes(batchId)
    ? await findReruns(context, batchId, () => ({ from, reason }))
    : // An extract that failed has left nothing: the batch is made under the id it was to have.
      [
        {
          batchId,
          from: 'extract' as const,
          to: 'load' as const,
          reason,
          state: manifestState({ manifests: [] }),
        },
      ];
  return reruns.map((rerun) => ({
    ...rerun,
    state: { ...rerun.state, runId: run.runId, ...limits },
  }));
}

/** Whether the stage that failed has left a new layer, and everything after it was done. */
async function isDone(context: Context, target: PlanTarget): Promise<boolean> {
  if ((await unended(context)).includes(target.name)) return false;
  const { from } = target.state;
  if (from === 'load') return true;
  const { manifestState } = await import('../diagnosis/rerun.js');
  const [batch] = (await look(context, target.name)).batches;
  const layer = layerOf[from as keyof typeof layerOf];
  return batch !== undefined && manifestState(batch)[layer] !== target.state[layer];
}

const batchTargets = ({ plan }: Context): PlanTarget[] =>
  (plan?.targets ?? []).filter(({ type }) => type === 'batch');

const limitsOf = ({ state }: PlanTarget) => ({
  memoryLimit: String(state.memoryLimit),
  threads: Number(state.threads),
});

const settingsText = (target: PlanTarget | undefined): string => {
  if (target === undefined) return '';
  const { memoryLimit, threads } = limitsOf(target);
  return `pipeline.memoryLimit: ${memoryLimit} and pipeline.threads: ${threads}`;
};

export default defineRunbook({
  module: import.meta.url,
  id: 'join-out-of-memory',
  title: 'A join runs out of memory',
  summary:
    'Looks at the limit, the memory of the machine and the space for spilled data, runs the failed stage again with roomier limits for this one run, and says what to change in the configuration for good.',
  symptoms: [
    'out of memory',
    'Out of Memory Error',
    'ENGINE_OUT_OF_MEMORY',
    'join runs out of memory',
    'failed to allocate data',
    'memory limit exceeded',
    'killed by the OOM killer',
    'transform needs more memory',
  ],
  tags: ['pipeline', 'memory', 'duckdb'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
  inputs: batchInput,
  targets: () => [repairTarget],
  steps: [
    {
      kind: 'check',
      id: 'run',
      title: 'Which run ran out of memory?',
      why: 'Only a run that really ended for want of memory is run again with more; the history keeps the reason.',
      manual: () => 'reviewops pipeline status --json',
      run: (context) =>
        orUnknown(async (): Promise<Finding> => {
          const run = await failedRun(context);
          return run === undefined
            ? { state: 'ok', summary: 'No recent run ended for want of memory.', evidence: {} }
            : {
                state: 'critical',
                summary: `Run ${run.runId} of batch ${run.batchId}: ${run.errorMessage}`,
                evidence: { runId: run.runId, batchId: run.batchId, stage: stageOf(run) },
              };
        }),
    },
    {
      kind: 'check',
      id: 'memory',
      title: 'How much memory is there, and how much is used?',
      why: 'The limit keeps the query engine from taking the machine down. Below it, large joins spill to disk; threads share the limit, so fewer threads have more each.',
      manual: () => 'free -h; reviewops config show | grep -E "memoryLimit|threads"',
      run: async (context): Promise<Finding> => {
        const { machineMemory, roomierLimits } = await import('../diagnosis/memory.js');
        const { memoryLimit, threads } = context.services.config.pipeline;
        const { total, free } = machineMemory();
        const room = roomierLimits({ memoryLimit, threads }, total);
        const evidence = { memoryLimit, threads, totalBytes: total, freeBytes: free };
        return room === undefined
          ? {
              state: 'warning',
              summary: `The limit of ${memoryLimit} with ${threads} thread is all that ${formatBytes(total)} allow: it takes a larger machine, or fewer tables and rows.`,
              evidence,
            }
          : {
              state: 'ok',
              summary: `${memoryLimit} with ${threads} threads, of ${formatBytes(total)}; ${room.memoryLimit} with one thread are possible.`,
              evidence,
            };
      },
    },
    {
      kind: 'check',
      id: 'spill',
      title: 'Is there disk for what does not fit in memory?',
      why: 'What does not fit is written to the scratch directory. A full disk there looks like a lack of memory.',
      manual: () => 'df -h .reviewops/tmp',
      run: async (context): Promise<Finding> => {
        const scratch = await context.services.scratch();
        const { bavail, bsize } = await statfs(scratch);
        const free = bavail * bsize;
        const low = free < 1e9;
        return {
          state: low ? 'critical' : 'ok',
          summary: `${formatBytes(free)} are free for spilled data.`,
          evidence: { freeBytes: free },
        };
      },
    },
    {
      kind: 'branch',
      id: 'space',
      title: 'Is it the disk?',
      why: 'Without disk more memory does not help for long.',
      manual: () => 'reviewops batch purge --dry-run',
      when: ({ results }) =>
        results.run?.finding?.state === 'critical' ? true : 'No run ran out of memory.',
      choose: async ({ results }) =>
        results.spill?.finding?.state === 'critical'
          ? {
              to: 'runbook',
              runbook: 'purge-batches',
              input: {},
              why: `${results.spill.finding.summary} Make space first.`,
            }
          : undefined,
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'Name the batch and the limits of this run',
      why: 'The limits hold for this one run; the configuration is yours and is not edited behind your back.',
      manual: (input) => `reviewops pipeline run --batch-id ${idIn(input)} --from transform`,
      run: async (context) => {
        const reruns = await makeTargets(context);
        const plan = rerunPlan(reruns);
        const limits = settingsText(plan.targets[0]);
        return {
          ...plan,
          notes: [...plan.notes, ...(limits === '' ? [] : [`For this run alone: ${limits}.`])],
        };
      },
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the rerun',
      why: 'It takes more of this machine’s memory than usual while it runs.',
      manual: (input) => `reviewops pipeline run --batch-id ${idIn(input)} --from transform`,
      name: ({ plan }) => plannedReruns(plan)[0]?.batchId ?? 'nothing',
      question: ({ plan }) => [plan?.summary, ...(plan?.notes ?? [])].join(' '),
    },
    {
      kind: 'act',
      id: 'rerun',
      title: 'Run the failed stage again, and those after it',
      why: 'Stages before it are done and stay.',
      manual: (input) => `reviewops pipeline run --batch-id ${idIn(input)} --from transform`,
      timeout: 6 * 3600,
      run: async (context) => {
        const done: string[] = [];
        for (const target of batchTargets(context)) {
          if (await isDone(context, target)) continue;
          const [rerun] = plannedReruns({ ...emptyPlan, targets: [target] });
          if (rerun === undefined) continue;
          await runAgain(context, rerun, { limits: limitsOf(target) });
          done.push(rerun.batchId);
        }
        return { batches: done };
      },
      verify: async (context) => {
        const left: string[] = [];
        for (const target of batchTargets(context)) {
          if (!(await isDone(context, target))) left.push(target.name);
        }
        return left.length === 0
          ? { done: true, summary: 'The batch came through.' }
          : { done: false, summary: `Not whole yet: ${left.join(', ')}.` };
      },
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Is the batch whole?',
      why: 'A run that ended is not the proof; the layers are.',
      manual: (input) => `reviewops batch show ${idIn(input)}`,
      must: true,
      when: (context) => (batchTargets(context).length > 0 ? true : 'Nothing was run again.'),
      run: async (context): Promise<Finding> => {
        const run = await failedRun(context);
        return run === undefined
          ? { state: 'ok', summary: 'The last run of the batch came through.' }
          : { state: 'critical', summary: `${run.batchId} has not come through since.` };
      },
    },
    {
      kind: 'manual',
      id: 'configure',
      title: 'Change the configuration for good',
      why: 'The next run has the old limits again, and as many rows or more.',
      manual: () => 'reviewops config show; $EDITOR reviewops.config.yaml; reviewops config check',
      when: (context) =>
        batchTargets(context).length > 0 ? true : 'The limits were not the problem.',
      instruction: (context) =>
        `Set ${settingsText(batchTargets(context)[0])} in reviewops.config.yaml, then run \`reviewops config check\`. If the machine is shared, move the run to a quieter hour instead.`,
    },
  ],
});

const emptyPlan = { summary: '', targets: [] as PlanTarget[], totals: {}, notes: [] };

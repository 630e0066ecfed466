import { join } from 'node:path';
import type { Config } from '../../config/schema.js';
import type { Rerun } from '../../diagnosis/rerun.js';
import type { Lease } from '../../lake/lease.js';
import type { PipelineResult } from '../../pipeline/run.js';
import { redact } from '../../system/redact.js';
import type {
  ActStep,
  ApproveStep,
  JsonObject,
  PlanStep,
  StepContext,
} from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { type AnyContext, jobOf, servedBatches, stepScratch } from './context.js';
import { look } from './evidence.js';

/**
 * Held by every runbook that runs stages again: one repair of the pipeline's data at a time. The
 * lease of the batch itself, which the pipeline takes too, is held while the batch is changed.
 */
export const repairTarget = 'repair=pipeline';

export interface RerunOptions {
  /** Hold for this run alone. */
  limits?: Partial<Config['pipeline']>;
  /** What is done to the batch first, under the same lease: nobody comes in between. */
  before?: (lease: Lease) => Promise<unknown>;
}

/** Runs stages of a batch again, as `reviewops pipeline run` would, under the lease of the batch. */
export async function runAgain(
  context: AnyContext,
  { batchId, from, to }: Pick<Rerun, 'batchId' | 'from' | 'to'>,
  { limits = {}, before }: RerunOptions = {},
): Promise<PipelineResult> {
  const { services } = context;
  const [{ runPipeline }, { claimBatch }] = await Promise.all([
    import('../../pipeline/run.js'),
    import('../../pipeline/batch.js'),
  ]);
  const { config } = services;
  const lake = await services.lake();
  const job = jobOf(context);
  const held = await claimBatch(lake, batchId, job);
  try {
    await before?.(held.lease);
    return await runPipeline(
      {
        job,
        config: { ...config, pipeline: { ...config.pipeline, ...limits } },
        lake,
        database: () => services.database(),
        pseudonymKey: await services.pseudonymKey(),
        scratch: await stepScratch(context),
        logsDirectory: join(services.home, 'logs'),
        tool: services.tool,
        redact,
      },
      { command: 'run', batchId, from, to },
      held,
    );
  } finally {
    await held.lease.release();
  }
}

/** The command a person could type for it. */
export const rerunCommand = ({ batchId, from, to }: Pick<Rerun, 'batchId' | 'from' | 'to'>) =>
  `reviewops pipeline run --batch-id ${batchId} --from ${from}${to === 'load' ? '' : ` --to ${to}`}`;

/** A plan that names each batch and what it is now. */
export const rerunPlan = (reruns: readonly Rerun[], notes: string[] = []): Plan => ({
  summary:
    reruns.length === 0
      ? 'There is nothing to do.'
      : `Run ${reruns.length} batch${reruns.length === 1 ? '' : 'es'} again: ${reruns.map(({ batchId, from }) => `${batchId} from ${from}`).join(', ')}.`,
  targets: reruns.map((rerun) => ({
    type: 'batch',
    name: rerun.batchId,
    action: `${rerunCommand(rerun)} (${rerun.reason})`,
    state: { from: rerun.from, to: rerun.to, ...rerun.state },
  })),
  totals: { batches: reruns.length },
  notes: [...notes, ...reruns.filter(({ to }) => to !== 'load').map(notLoaded)],
});

const notLoaded = ({ batchId }: Rerun): string =>
  `Batch ${batchId} is not loaded: a later batch is served, or the database could not tell. Load it deliberately with \`reviewops pipeline load --batch-id ${batchId}\`.`;

/** The reruns that a plan names. */
export const plannedReruns = (plan: Plan | undefined): Pick<Rerun, 'batchId' | 'from' | 'to'>[] =>
  (plan?.targets ?? [])
    .filter(({ type }) => type === 'batch')
    .map(({ name, state }) => ({
      batchId: name,
      from: state.from as Rerun['from'],
      to: state.to as Rerun['to'],
    }));

/** The planned reruns that have not come to their end: a run that was killed stops half-way. */
export async function unended(context: AnyContext): Promise<string[]> {
  const [{ isComplete }, { batchIds }] = await Promise.all([
    import('../../diagnosis/rerun.js'),
    import('../../lake/published.js'),
  ]);
  const planned = plannedReruns(context.plan);
  if (planned.length === 0) return [];
  const known = await batchIds(await context.services.lake());
  const served = await servedBatches(context);
  const open: string[] = [];
  for (const rerun of planned) {
    const { batchId } = rerun;
    const [batch] = known.includes(batchId) ? (await look(context, batchId)).batches : [];
    if (batch === undefined || !isComplete(batch, rerun, served)) open.push(batchId);
  }
  return open;
}

export interface RerunSteps<Input> {
  why: { plan: string; approve: string; act: string };
  /** What is to be run again, by the evidence of now. Also tells afterwards whether it is cured. */
  find: (context: StepContext<Input>) => Promise<Rerun[]>;
  manual: (input: Input) => string;
  notes?: string[];
  /** What the plan names beside the batches, for acts of the runbook's own. */
  others?: (context: StepContext<Input>) => Promise<PlanTarget[]>;
}

/** Plan, approval and act of a repair that runs stages again; nothing is named, nothing is done. */
export function rerunSteps<Input>(
  options: RerunSteps<Input>,
): [PlanStep<Input>, ApproveStep<Input>, ActStep<Input>] {
  const { why, find, manual, notes = [], others } = options;
  const remaining = async (context: StepContext<Input>): Promise<string[]> => {
    const open = await unended(context);
    const found = new Set((await find(context)).map(({ batchId }) => batchId));
    return plannedReruns(context.plan)
      .map(({ batchId }) => batchId)
      .filter((batchId) => open.includes(batchId) || found.has(batchId));
  };
  return [
    {
      kind: 'plan',
      id: 'plan',
      title: 'Name the batches and the stages',
      why: why.plan,
      manual,
      run: async (context) => {
        const plan = rerunPlan(await find(context), notes);
        const more = (await others?.(context)) ?? [];
        if (more.length === 0) return plan;
        const also = more.map(({ action, name }) => `${action} ${name}`).join(', ');
        const summary = plan.targets.length === 0 ? `${also}.` : `${plan.summary} Then ${also}.`;
        return { ...plan, summary, targets: [...plan.targets, ...more] };
      },
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Approve the rerun',
      why: why.approve,
      manual,
      name: (context) => plannedReruns(context.plan)[0]?.batchId ?? 'nothing',
      question: (context) => context.plan?.summary ?? 'Run it again?',
    },
    {
      kind: 'act',
      id: 'rerun',
      title: 'Run the stages again',
      why: why.act,
      manual,
      timeout: 6 * 3600,
      when: ({ plan }) => (plannedReruns(plan).length > 0 ? true : 'No batch has to be run again.'),
      run: async (context) => {
        const done: JsonObject[] = [];
        const needed = new Set(await remaining(context));
        for (const rerun of plannedReruns(context.plan)) {
          // Done before an interruption: not done twice.
          if (!needed.has(rerun.batchId)) continue;
          const { stages, seconds } = await runAgain(context, rerun);
          done.push({
            batchId: rerun.batchId,
            seconds,
            rows: stages.at(-1)?.rowsOut ?? 0,
            rejected: stages.reduce((sum, stage) => sum + stage.rejected, 0),
          });
        }
        return { batches: done };
      },
      verify: async (context) => {
        const left = await remaining(context);
        const count = plannedReruns(context.plan).length;
        return left.length === 0
          ? { done: true, summary: `${count} of ${count} batches are whole.` }
          : { done: false, summary: `Not whole yet: ${left.join(', ')}.`, evidence: { left } };
      },
    },
  ];
}

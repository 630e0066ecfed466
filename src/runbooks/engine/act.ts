import { failed, refused, throwIfAborted } from '../../system/errors.js';
import type { ActStep, Inputs, Json } from './definition.js';
import { planHash } from './plan.js';
import type { StepHost, StepOutcome } from './step-host.js';
import { requireWindow } from './windows.js';

/**
 * Changes the world, reality first: an act that began before is probed, and the first act of a plan
 * meets reality as it was approved. Done means seen, not remembered.
 */
export async function performAct(
  step: ActStep<Inputs>,
  host: StepHost,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const { memory, options, runbook } = host;
  const { services } = options;
  if (memory.plan === undefined || options.dryRun === true || options.readOnly === true) {
    throw new Error(`Step ${step.id} of ${runbook.id} would act without a plan.`);
  }
  if (memory.plan.plan.targets.length === 0) {
    return { state: 'skipped', summary: 'The plan names nothing.' };
  }
  if (!memory.approved) throw new Error(`Step ${step.id} of ${runbook.id} was not approved.`);
  const reading = host.context(step, signal, 'read');
  if (memory.begun.has(step.id)) {
    const verified = await step.verify(reading);
    if (verified.done) {
      return { state: 'done', summary: `Found done: ${verified.summary}`, verified };
    }
  }
  requireWindow(services.config.maintenanceWindows, runbook.id, services.now());
  if (!memory.applying) await meetPlan(host, signal);
  throwIfAborted(signal);
  await host.record({ type: 'act.started', step: step.id });
  const data = await step.run(host.context(step, signal, 'write'));
  throwIfAborted(signal);
  const verified = await step.verify(reading);
  if (!verified.done) {
    throw failed(
      'NOT_VERIFIED',
      `Step ${step.id} ran, but its effect is not there: ${verified.summary}`,
    );
  }
  return { state: 'done', summary: verified.summary, verified, data };
}

/** Refuses when what the plan names is no longer what was shown. */
async function meetPlan(host: StepHost, signal: AbortSignal): Promise<void> {
  const { memory, runbook, definition, input } = host;
  const step = runbook.steps.find(({ id }) => id === memory.plan?.step);
  if (step?.kind !== 'plan') throw new Error(`The plan of ${runbook.id} is of no step.`);
  // The plan has been shown; making it again is nobody's news.
  const silent = { output: () => undefined, progress: () => undefined };
  const now = await step.run({ ...host.context(step, signal, 'read'), ...silent });
  if (planHash(definition, input as Json, now) === memory.plan?.hash) return;
  throw refused('PLAN_CHANGED', 'Reality has changed since the plan was shown.', {
    hint: `Look at the new plan: reviewops runbook run ${runbook.id} --dry-run`,
  });
}

import { errorMessage, failed, refused } from '../../system/errors.js';
import { redactDeep } from '../../system/redact.js';
import { performAct } from './act.js';
import { approve, recordManual } from './approval.js';
import type { Inputs, Json, Step, StepContext, StepResult } from './definition.js';
import { Ending, stoppedBy, waiting, waitingUntil } from './ending.js';
import { mayPass, pause, pauseAfter, withinLimit } from './limits.js';
import { canonicalJson, type Plan, planHash } from './plan.js';
import { requireRole } from './roles.js';
import type { StepHost, StepOutcome } from './step-host.js';

type AnyStep = Step<Inputs>;
/** Performs one step, with its attempts and its time limit, and journals how it ended. */
export async function performStep(
  step: AnyStep,
  host: StepHost,
  signal: AbortSignal,
): Promise<StepResult> {
  const { id, kind } = step;
  const finish = async (outcome: StepOutcome, startedAt: number): Promise<StepResult> => {
    const seconds = outcome.state === 'skipped' ? null : (performance.now() - startedAt) / 1000;
    const result = { id, kind, seconds, ...outcome };
    await host.record({ type: 'step.finished', result });
    return result;
  };
  for (let attempt = 1; ; attempt += 1) {
    const startedAt = performance.now();
    await host.record({ type: 'step.started', step: id, kind, attempt });
    try {
      return await finish(await skippable(step, host, signal), startedAt);
    } catch (error) {
      if (attempt < (step.attempts ?? 1) && mayPass(error) && !signal.aborted) {
        const seconds = pauseAfter(attempt);
        const reason = errorMessage(error);
        await host.record({ type: 'step.retrying', step: id, attempt, reason, seconds });
        await pause(seconds, signal);
        continue;
      }
      const outcome = failureOf(step, error, host, signal);
      if (outcome !== undefined) await finish(outcome, startedAt);
      throw error;
    }
  }
}

/** How a step that threw is remembered; undefined while it waits for a person. */
function failureOf(
  step: AnyStep,
  error: unknown,
  { memory }: StepHost,
  signal: AbortSignal,
): StepOutcome | undefined {
  if (error instanceof Ending) {
    if (error.state === 'waiting') return undefined;
    return { state: 'refused', summary: error.message };
  }
  if (signal.aborted) {
    // Stopped in the middle: only a look at reality can tell what an act has done.
    return memory.begun.has(step.id)
      ? { state: 'unknown', summary: 'Stopped in the middle; a resume probes what was done.' }
      : undefined;
  }
  return { state: 'failed', summary: errorMessage(error) };
}

/** The step, unless a person leaves it out, before or while it is at work. */
async function skippable(step: AnyStep, host: StepHost, signal: AbortSignal): Promise<StepOutcome> {
  const { controls } = host.options;
  const left = controls?.signal(step);
  if (controls === undefined || left === undefined) return limited(step, host, signal);
  const outcome = (): StepOutcome | undefined => {
    const said = controls.skipped(step);
    return said === undefined ? undefined : { state: 'skipped', summary: said };
  };
  const before = outcome();
  if (before !== undefined) return before;
  try {
    return await limited(step, host, AbortSignal.any([signal, left]));
  } catch (error) {
    const skipped = signal.aborted ? undefined : outcome();
    if (skipped === undefined) throw error;
    return skipped;
  }
}

/** People are not hurried; everything else has a limit. */
const limited = (step: AnyStep, host: StepHost, signal: AbortSignal): Promise<StepOutcome> =>
  step.kind === 'approve' || step.kind === 'manual'
    ? body(step, host, signal)
    : withinLimit(step, signal, (within) => body(step, host, within));

async function body(step: AnyStep, host: StepHost, signal: AbortSignal): Promise<StepOutcome> {
  const context = host.context(step, signal, 'read');
  const when = step.when === undefined ? true : await step.when(context);
  if (when !== true) return { state: 'skipped', summary: when };
  switch (step.kind) {
    case 'check': {
      const finding = await step.run(context);
      if (step.must === true && finding.state === 'critical') {
        throw failed('CHECK_FAILED', finding.summary);
      }
      return { state: 'done', summary: finding.summary, finding };
    }
    case 'plan': {
      const plan = await step.run(context);
      if (signal.aborted) throw signal.reason;
      requirePrintable(plan, host.runbook.id);
      const hash = planHash(host.definition, host.input as Json, plan);
      await host.record({ type: 'plan.made', step: step.id, hash, plan });
      return { state: 'done', summary: plan.summary, data: plan.totals };
    }
    case 'approve':
      return approveStep(step, host, context);
    case 'manual': {
      if (host.options.dryRun === true) return { state: 'skipped', summary: 'Nothing is done.' };
      const answer = await recordManual(step, context, host.options.ask);
      if (answer === 'later') {
        const reason = `Step ${step.id} waits for a person: ${step.title}`;
        throw waiting(reason, host.resumeCommand, host.memory.begun.size > 0);
      }
      await host.record({ type: 'manual.recorded', step: step.id, ...answer });
      return { state: 'done', summary: `${answer.by}: ${answer.said}` };
    }
    case 'wait': {
      const readiness = await step.ready(context);
      if (!readiness.ready) {
        throw waitingUntil(readiness.due, readiness.reason, host.resumeCommand);
      }
      const { summary, evidence: data } = readiness;
      return { state: 'done', summary, ...(data === undefined ? {} : { data }) };
    }
    case 'branch': {
      const branch = await step.choose(context);
      return branch === undefined
        ? { state: 'done', summary: 'The evidence leads nowhere else.' }
        : { state: 'done', summary: branch.why, branch };
    }
    case 'act':
      return performAct(step, host, signal);
  }
}

/** A plan that names a secret could neither be shown nor be read back from the journal. */
function requirePrintable({ targets }: Plan, runbook: string): void {
  const text = canonicalJson(targets as unknown as Json);
  if (text === canonicalJson(redactDeep(targets) as Json)) return;
  throw refused('PLAN_HOLDS_SECRET', `The plan of ${runbook} names a target by a secret value.`, {
    hint: 'Rename the target, or change the secret that equals its name.',
  });
}

const nothing: Plan = { summary: '', targets: [], totals: {}, notes: [] };

async function approveStep(
  step: Extract<AnyStep, { kind: 'approve' }>,
  host: StepHost,
  context: StepContext<Inputs>,
): Promise<StepOutcome> {
  const { memory, options, runbook } = host;
  const { config } = options.services;
  if (runbook.risk === 'read') return { state: 'done', summary: 'It only reads.' };
  if (memory.plan?.plan.targets.length === 0) {
    return { state: 'done', summary: 'There is nothing to do, so nothing to approve.' };
  }
  const outcome = await approve(
    {
      step,
      context,
      risk: runbook.risk,
      plan: memory.plan?.plan ?? nothing,
      planHash: memory.plan?.hash ?? '',
      secondPerson: config.approvals.secondPerson && runbook.risk === 'destroy',
      given: memory.approvals,
      permit: (by) => requireRole(runbook, by, config.operators),
    },
    options.ask,
    host.record,
  );
  const acted = memory.begun.size > 0;
  switch (outcome.type) {
    case 'approved':
      return { state: 'done', summary: `Approved by ${outcome.by.join(' and ')}.` };
    case 'declined':
      throw stoppedBy('aborted', declined(outcome.by, acted), acted);
    case 'later':
      throw waiting(outcome.reason, host.resumeCommand, acted);
    case 'refused':
      throw stoppedBy('refused', outcome.error, acted);
  }
}

const declined = (by: string, acted: boolean) =>
  refused(
    'DECLINED',
    `Declined by ${by}; ${acted ? 'what was done before stays' : 'nothing was changed'}.`,
    { hint: acted ? 'Resume the run to decide anew.' : 'Run it again to decide anew.' },
  );

import { stepFaces } from '../../cli/runbook-page.js';
import type { Question } from '../../runbooks/engine/answers.js';
import type {
  JsonObject,
  Runbook,
  StepResult,
  StepState,
} from '../../runbooks/engine/definition.js';
import type { RunEvent, RunState } from '../../runbooks/engine/events.js';
import type { Plan } from '../../runbooks/engine/plan.js';
import type { RunReport } from '../../runbooks/engine/report.js';
import {
  appendOutput,
  emptyOutput,
  type OutputLine,
  type OutputLog,
  outputLine,
} from './output.js';

/** A step as it is shown: what it is, and how far it came. Times in milliseconds since the epoch. */
export interface StepView {
  id: string;
  kind: StepResult['kind'];
  title: string;
  why: string;
  /** The exact command that a person could type instead. */
  manual: string;
  state: StepState;
  attempt: number;
  startedAt: number | undefined;
  result: StepResult | undefined;
  progress: Progress | undefined;
  /** Why the last attempt failed, while the next one is awaited. */
  retrying: string | undefined;
  /** It waits for the answer of whoever sits here. */
  asks?: boolean;
}

export interface Progress {
  done: number;
  total: number | null;
  unit: 'rows' | 'bytes' | 'files';
}

/** What a person reads of an event, dated. */
export interface LogLine {
  at: number;
  text: string;
  tone: 'plain' | 'good' | 'caution' | 'bad';
}

export type RunPhase = 'starting' | 'running' | 'stopping' | 'ended';

/** A run as its events tell it. */
export interface RunView {
  runbook: Runbook;
  runId: string | undefined;
  input: JsonObject;
  dryRun: boolean;
  phase: RunPhase;
  steps: readonly StepView[];
  /** The step that goes on, or did last. */
  current: string | undefined;
  plan: { hash: string; plan: Plan } | undefined;
  question: Question | undefined;
  output: OutputLog;
  log: readonly LogLine[];
  state: RunState | undefined;
  report: RunReport | undefined;
  /** What refused or broke the run before its report. */
  failure: { message: string; hint: string | undefined } | undefined;
  startedAt: number;
  endedAt: number | undefined;
}

/** How many lines of the log are kept on screen; the journal has all. */
const mostLog = 2000;

export function newRun(
  runbook: Runbook,
  { input = {}, dryRun = false, at }: { input?: JsonObject; dryRun?: boolean; at: number },
): RunView {
  return {
    runbook,
    runId: undefined,
    input,
    dryRun,
    phase: 'starting',
    steps: stepsOf(runbook, input),
    current: undefined,
    plan: undefined,
    question: undefined,
    output: emptyOutput,
    log: [],
    state: undefined,
    report: undefined,
    failure: undefined,
    startedAt: at,
    endedAt: undefined,
  };
}

/** The steps, with the commands as they read with these inputs. */
export const stepsOf = (runbook: Runbook, input?: JsonObject): StepView[] =>
  stepFaces(runbook).map((face, index) => ({
    ...face,
    manual: commandOf(runbook, index, input) ?? face.manual,
    state: 'pending',
    attempt: 1,
    startedAt: undefined,
    result: undefined,
    progress: undefined,
    retrying: undefined,
  }));

function commandOf({ steps, inputs }: Runbook, index: number, input: JsonObject | undefined) {
  const parsed = input === undefined ? undefined : inputs.safeParse(input);
  return parsed?.success === true ? steps[index]?.manual(parsed.data) : undefined;
}

/** Takes in what happened, in order. Many at once, so that a flood costs one look at the screen. */
export function advanceRun(run: RunView, events: readonly RunEvent[], at: number): RunView {
  const output: OutputLine[] = [];
  let next = run;
  for (const event of events) {
    if (event.type === 'output') output.push(outputLine(event.step, event.text));
    else next = advance(next, event, at);
  }
  return output.length === 0 ? next : { ...next, output: appendOutput(next.output, output) };
}

function advance(run: RunView, event: RunEvent, at: number): RunView {
  const logged = withLog(run, event, at);
  switch (event.type) {
    case 'run.started':
      return {
        ...logged,
        runId: event.runId,
        input: event.input,
        dryRun: event.dryRun,
        phase: 'running',
        steps: stepsOf(run.runbook, event.input),
      };
    case 'run.resumed':
      return { ...logged, phase: 'running' };
    case 'step.started':
      return change({ ...logged, current: event.step }, event.step, {
        state: 'running',
        attempt: event.attempt,
        startedAt: at,
        result: undefined,
        progress: undefined,
        retrying: undefined,
      });
    case 'step.retrying':
      return change(logged, event.step, { retrying: event.reason });
    case 'progress':
      return change(run, event.step, {
        progress: { done: event.done, total: event.total, unit: event.unit },
      });
    case 'plan.made':
      return { ...logged, plan: { hash: event.hash, plan: event.plan } };
    case 'act.undone':
      return change(logged, event.step, { state: 'pending', result: undefined });
    case 'step.finished':
      return change(logged, event.result.id, { state: event.result.state, result: event.result });
    case 'run.finished':
      // The run has its report, and the database its journal, a moment later.
      return {
        ...logged,
        state: event.state,
        question: undefined,
        // What waited or was stopped is still to be done.
        steps: run.steps.map((step) =>
          step.state === 'running' ? { ...step, state: 'pending', retrying: undefined } : step,
        ),
      };
    default:
      return logged;
  }
}

const change = (run: RunView, id: string, news: Partial<StepView>): RunView => ({
  ...run,
  steps: run.steps.map((step) => (step.id === id ? { ...step, ...news } : step)),
});

function withLog(run: RunView, event: RunEvent, at: number): RunView {
  const line = describeEvent(event);
  if (line === undefined) return run;
  return { ...run, log: [...run.log, { at, ...line }].slice(-mostLog) };
}

/** An event in words, without its time; undefined for the two kinds that come in floods. */
export function describeEvent(event: RunEvent): Omit<LogLine, 'at'> | undefined {
  const say = (text: string, tone: LogLine['tone'] = 'plain') => ({ text, tone });
  switch (event.type) {
    case 'output':
    case 'progress':
      return undefined;
    case 'run.started':
      return say(
        `run ${event.runId} of ${event.runbook} by ${event.by.user}${event.dryRun ? ', dry run' : ''}`,
      );
    case 'run.resumed':
      return say(`resumed by ${event.by.user}`);
    case 'warning':
      return say(`warning: ${event.text}`, 'caution');
    case 'lease.taken-over':
      return say(`took over ${event.target} from ${event.from}`, 'caution');
    case 'step.started':
      return say(`${event.step} started${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}`);
    case 'step.retrying':
      return say(`${event.step}: ${event.reason} Next attempt in ${event.seconds} s.`, 'caution');
    case 'act.started':
      return say(`${event.step} begins to change things`, 'caution');
    case 'act.undoing':
      return say(`${event.step} is being undone`, 'caution');
    case 'act.undone':
      return say(`${event.step} was undone`, 'caution');
    case 'plan.made':
      return say(`plan ${event.hash.slice(0, 12)}: ${event.plan.summary}`);
    case 'approval.given':
      return say(`approved by ${event.by} (${event.how})`, 'good');
    case 'approval.declined':
      return say(`declined by ${event.by}`, 'caution');
    case 'note':
      return say(`note by ${event.by}: ${event.text}`);
    case 'manual.recorded':
      return say(`${event.by} did ${event.step}: ${event.said}`);
    case 'step.finished': {
      const { id, state, summary, finding } = event.result;
      return say(`${id} ${finding?.state ?? state}: ${summary}`, toneOf(event.result));
    }
    case 'run.finished':
      return say(
        `run ${event.state}${event.reason === null ? '' : `: ${event.reason}`}`,
        event.state === 'succeeded' ? 'good' : 'bad',
      );
  }
}

function toneOf({ state, finding }: StepResult): LogLine['tone'] {
  if (state === 'failed' || state === 'refused' || finding?.state === 'critical') return 'bad';
  if (state === 'unknown' || finding?.state === 'warning' || finding?.state === 'unknown')
    return 'caution';
  return state === 'done' ? 'good' : 'plain';
}

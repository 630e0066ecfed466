import type { Question } from '../../runbooks/engine/answers.js';
import type { JsonObject } from '../../runbooks/engine/definition.js';
import { formatSeconds } from '../../system/duration.js';
import { matches } from '../state/list.js';
import type { Browser, Model, Panel, Screen } from '../state/model.js';
import { outputOf } from '../state/output.js';
import { type RunView, type StepView, stepsOf } from '../state/run.js';
import { blank, type Line, line, marked, span, textOf, wrapped } from './line.js';
import { outputLines } from './output-lines.js';
import { planLines } from './plan.js';
import { reportLines } from './report.js';
import { clock, jsonText, progressText, signSpan, stepSign } from './words.js';

export type BrowserScreen = Extract<Screen, { browser: Browser }>;

export const hasBrowser = (screen: Screen): screen is BrowserScreen => 'browser' in screen;

/** The steps of what a screen shows: a run, or a runbook that is read. */
export function stepsShown(model: Model, screen: BrowserScreen): readonly StepView[] {
  if (screen.name !== 'run') return stepsOf(screen.runbook);
  const { steps = [], question } = model.run ?? {};
  if (question === undefined) return steps;
  return steps.map((step) => (step.id === question.step ? { ...step, asks: true } : step));
}

/** Position of the step that is shown. */
export function stepIndex(model: Model, screen: BrowserScreen): number {
  const steps = stepsShown(model, screen);
  const { step } = screen.browser;
  if (step !== 'current') return Math.min(step, steps.length - 1);
  const current = steps.findIndex(({ id }) => id === model.run?.current);
  return screen.name === 'run' && current !== -1 ? current : 0;
}

export interface PanelView {
  lines: readonly Line[];
  /** Stays above the lines. */
  head: Line | undefined;
}

/** What the chosen panel says, in lines of at most `width` columns. */
export function panelView(model: Model, screen: BrowserScreen, width: number): PanelView {
  const { browser } = screen;
  const { panel } = browser;
  const { query } = browser.readings[panel];
  const step = stepsShown(model, screen)[stepIndex(model, screen)];
  const run = screen.name === 'run' ? model.run : undefined;
  if (panel === 'plan') return planView(run, query, width);
  const lines = { guide, evidence, output, log, report }[panel]({ run, step, width, model });
  const found = panel === 'log' ? lines.filter((one) => matches(query, [textOf(one)])) : lines;
  return { head: undefined, lines: query === '' ? found : found.map((one) => marked(one, query)) };
}

interface Subject {
  run: RunView | undefined;
  step: StepView | undefined;
  width: number;
  model: Model;
}

function guide({ step, width, run, model }: Subject): Line[] {
  if (step === undefined) return [];
  const lines = [
    ...wrapped(step.title, width, 'title'),
    [span(`${step.kind} `, 'dim'), signSpan(stepSign(step)), span(runningFor(step, model), 'dim')],
    blank,
    ...wrapped(step.why, width),
    blank,
    ...asked(run, step, width),
    line('By hand:', 'dim'),
    ...wrapped(step.manual, width, 'command', 2),
  ];
  if (step.progress !== undefined && step.state === 'running') {
    lines.push(
      blank,
      line(progressText(step.progress, step.startedAt ?? model.now, model.now), 'accent'),
    );
  }
  if (step.retrying !== undefined) lines.push(blank, ...wrapped(step.retrying, width, 'caution'));
  if (step.result !== undefined)
    lines.push(blank, ...wrapped(step.result.summary, width, stepSign(step).tone));
  if (run !== undefined) lines.push(...lastOutput(run, step, width));
  return lines;
}

/** For how long a step has been going on: whoever waits sees that time goes by. */
function runningFor({ state, startedAt, asks }: StepView, { now }: Model): string {
  if (state !== 'running' || startedAt === undefined || asks === true) return '';
  const seconds = Math.floor((now - startedAt) / 1000);
  return seconds < 1 ? '' : ` for ${formatSeconds(seconds)}`;
}

/** What a person is asked, in full. */
export const questionText = (question: Question): string =>
  question.type === 'approve' ? question.text : question.instruction;

function asked(run: RunView | undefined, step: StepView, width: number): Line[] {
  const question = run?.question;
  if (question?.step !== step.id) return [];
  return [...wrapped(questionText(question), width, 'title'), blank];
}

/** The newest lines of a step that runs, so that nobody has to look for them. */
function lastOutput(run: RunView, step: StepView, width: number): Line[] {
  const last = outputOf(run.output, step.id).slice(-5);
  if (last.length === 0) return [];
  return [
    blank,
    line('Output (3 shows all):', 'dim'),
    ...last.map(({ text }) => wrapped(text, width, 'dim', 2)[0] ?? blank),
  ];
}

function evidence({ step, width }: Subject): Line[] {
  const result = step?.result;
  if (step === undefined || result === undefined) {
    return wrapped('The step has not ended: there is no evidence yet.', width, 'dim');
  }
  const lines: Line[] = [
    [
      signSpan(stepSign(step)),
      span(result.seconds === null ? '' : ` in ${formatSeconds(result.seconds)}`, 'dim'),
    ],
    ...wrapped(result.summary, width),
  ];
  const found = result.finding?.evidence ?? result.verified?.evidence ?? result.data;
  if (result.verified !== undefined) {
    lines.push(blank, ...wrapped(`Verified: ${result.verified.summary}`, width, 'good'));
  }
  if (found !== undefined) lines.push(blank, ...objectLines(found, width));
  return lines;
}

/** Data as names and values, nested by indentation. */
function objectLines(data: JsonObject, width: number, indent = 0): Line[] {
  return Object.entries(data).flatMap(([name, value]): Line[] => {
    if (typeof value === 'object' && value !== null) {
      const inner = Array.isArray(value) ? Object.fromEntries(value.entries()) : value;
      return [
        line(`${' '.repeat(indent)}${name}:`, 'accent'),
        ...objectLines(inner, width, indent + 2),
      ];
    }
    return wrapped(`${name}: ${jsonText(value)}`, width, undefined, indent);
  });
}

function output({ run, width }: Subject): Line[] {
  if (run === undefined || run.output.count === 0) return wrapped('No output yet.', width, 'dim');
  return outputLines(run.output, width);
}

function planView(run: RunView | undefined, query: string, width: number): PanelView {
  if (run?.plan !== undefined) return planLines(run.plan, query, width);
  const text =
    run === undefined
      ? 'The run has not begun. Enter leads to the start; look only makes the plan.'
      : 'No plan was made yet.';
  return { head: undefined, lines: wrapped(text, width, 'dim') };
}

function log({ run, width }: Subject): Line[] {
  if (run === undefined) return wrapped('The run has not begun.', width, 'dim');
  return run.log.flatMap(({ at, text, tone }) => {
    const [first = blank, ...rest] = wrapped(text, width - 9, tone === 'plain' ? undefined : tone);
    return [
      [span(`${clock(at).slice(11)} `, 'dim'), ...first],
      ...rest.map((one): Line => [span(' '.repeat(9)), ...one]),
    ];
  });
}

const report = ({ run, width, model }: Subject): Line[] =>
  reportLines(run, width, model.stock.related.value);

/** As the tabs name them. */
export const panelName: Record<Panel, string> = {
  guide: 'Why',
  evidence: 'Evidence',
  output: 'Output',
  plan: 'Plan',
  log: 'Log',
  report: 'Report',
};

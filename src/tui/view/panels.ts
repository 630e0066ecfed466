import type { Question } from '../../runbooks/engine/answers.js';
import type { Json, JsonObject } from '../../runbooks/engine/definition.js';
import { formatSeconds } from '../../system/duration.js';
import { matches } from '../state/list.js';
import type { Browser, Model, Panel, Screen } from '../state/model.js';
import { type OutputLog, outputOf } from '../state/output.js';
import { type RunView, type StepView, stepsOf } from '../state/run.js';
import { blank, type Line, line, marked, span, textOf, wrapped } from './line.js';
import { reportLines } from './report.js';
import { clock, progressText, signSpan, stepSign } from './words.js';

export type BrowserScreen = Extract<Screen, { browser: Browser }>;

export const hasBrowser = (screen: Screen): screen is BrowserScreen => 'browser' in screen;

/** The steps of what a screen shows: a run, or a runbook that is read. */
export function stepsShown(model: Model, screen: BrowserScreen): readonly StepView[] {
  if (screen.name === 'run') return model.run?.steps ?? [];
  return stepsOf(screen.runbook);
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
    [span(`${step.kind} `, 'dim'), signSpan(stepSign(step))],
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
    return wrapped(`${name}: ${plain(value)}`, width, undefined, indent);
  });
}

const plain = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

function output({ run, width }: Subject): Line[] {
  if (run === undefined || run.output.count === 0) return wrapped('No output yet.', width, 'dim');
  return outputLines(run.output);
}

/** A frame asks for them several times, and in a flood there are thousands. */
const drawnOutput = new WeakMap<OutputLog, Line[]>();

function outputLines(log: OutputLog): Line[] {
  const known = drawnOutput.get(log);
  if (known !== undefined) return known;
  const lost = log.total - log.count;
  const lines = outputOf(log).map(({ step, text }): Line => [span(`${step} │ `, 'dim'), { text }]);
  if (lost > 0) lines.unshift(line(`… ${lost} earlier lines were let go`, 'dim'));
  drawnOutput.set(log, lines);
  return lines;
}

function planView(run: RunView | undefined, query: string, width: number): PanelView {
  const made = run?.plan;
  if (made === undefined) {
    return { head: undefined, lines: wrapped('No plan was made yet.', width, 'dim') };
  }
  const { plan, hash } = made;
  const rows = plan.targets.map(({ action, type, name, state }) => [
    action,
    `${type} ${name}`,
    Object.entries(state)
      .map(([key, value]) => `${key} ${plain(value)}`)
      .join(', '),
  ]);
  const shown = rows.filter((cells) => matches(query, cells));
  const actionWidth = Math.min(
    Math.max(8, ...rows.map(([action = '']) => action.length)),
    Math.floor(width / 3),
  );
  const nameWidth = Math.min(
    Math.max(8, ...rows.map(([, name = '']) => name.length)),
    Math.floor(width / 2),
  );
  const cellsOf = ([action = '', name = '', state = '']: readonly string[]): Line => [
    span(action.padEnd(actionWidth).slice(0, actionWidth)),
    span('  '),
    span(name.padEnd(nameWidth), 'accent'),
    span('  '),
    span(state, 'dim'),
  ];
  const totals = Object.entries(plan.totals).map(([name, value]) => `${name} ${plain(value)}`);
  const targets = rows.length === 1 ? '1 target' : `${rows.length} targets`;
  const count = query === '' ? targets : `${shown.length} of ${targets}`;
  return {
    head: [
      span([count, ...totals].join(', '), 'title'),
      span(`  plan ${hash.slice(0, 12)}`, 'dim'),
    ],
    lines: [
      ...wrapped(plan.summary, width),
      ...plan.notes.flatMap((note) => wrapped(`- ${note}`, width, 'caution')),
      blank,
      ...shown.map((cells) => marked(cellsOf(cells), query)),
    ],
  };
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

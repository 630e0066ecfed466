import { isOver } from '../../incidents/state.js';
import { isSkippable } from '../../runbooks/engine/controls.js';
import { type Action, type Binding, bindings, type Context } from '../keys.js';
import { cureOf } from '../view/incident-tables.js';
import { listView } from '../view/layout.js';
import { hasBrowser, stepIndex, stepsShown } from '../view/panels.js';
import { subjectOf } from './incidents.js';
import { isRunning, type Model, shown } from './model.js';

const typing: ReadonlySet<Context> = new Set([
  'answer',
  'filter',
  'help',
  'palette',
  'prompt',
  'form',
]);

/** Where keys are looked up, in order. While text is typed, only what no text can hold is a key. */
export function contextsOf(model: Model): Context[] {
  const { overlay, filtering } = model;
  if (overlay !== undefined) return [overlay.name];
  if (filtering) return ['filter'];
  const screen = shown(model);
  switch (screen.name) {
    case 'home':
      return ['home', 'everywhere'];
    case 'runbook':
      return screen.browser.focus === 'form'
        ? ['form']
        : ['runbook', 'steps', 'panel', 'everywhere'];
    case 'run':
      return screen.browser.focus === 'answer'
        ? ['answer']
        : ['run', 'steps', 'panel', 'everywhere'];
    case 'incidents':
    case 'incident':
      return ['incident', 'list', 'everywhere'];
    default:
      return ['list', 'everywhere'];
  }
}

const isTyping = (model: Model): boolean => typing.has(contextsOf(model)[0] ?? 'everywhere');

/** What the keys mean now: each key once, and only what can be done. */
export function bindingsOf(model: Model): Binding[] {
  const contexts = contextsOf(model);
  const reachable = isTyping(model) ? [...contexts, 'everywhere' as const] : contexts;
  const taken = new Set<string>();
  return reachable.flatMap((context) =>
    bindings
      .filter((binding) => binding.context === context)
      .filter(
        (binding) => !isTyping(model) || context !== 'everywhere' || binding.keys.some(isControl),
      )
      .filter((binding) => isAvailable(model, binding.action))
      .map((binding) => ({ ...binding, keys: binding.keys.filter((key) => !taken.has(key)) }))
      .filter((binding) => {
        for (const key of binding.keys) taken.add(key);
        return binding.keys.length > 0 || binding.commands !== undefined;
      }),
  );
}

const isControl = (key: string): boolean => key.startsWith('ctrl-');

export const bindingFor = (model: Model, key: string): Binding | undefined =>
  bindingsOf(model).find(({ keys }) => keys.includes(key));

/** Whether an action can do anything now: only then is its key shown and taken. */
export function isAvailable(model: Model, action: Action): boolean {
  const { run, readOnly } = model;
  const screen = shown(model);
  switch (action) {
    case 'retry':
      if (screen.name === 'journal') return isResumable(model);
      return (
        run?.phase === 'ended' && run.report?.resume !== undefined && run.report.resume !== null
      );
    case 'undo':
      return (
        run?.phase === 'ended' && run.report?.changed === true && run.runbook.risk === 'change'
      );
    case 'to-answer':
      return run?.question !== undefined;
    case 'follow-branch':
      return run?.report?.branch?.to === 'runbook';
    case 'incident-of-run':
      return run?.phase === 'ended' && run.report !== undefined && !run.dryRun;
    case 'acknowledge':
    case 'incident-note':
    case 'escalate':
    case 'post-mortem':
      return subjectOf(model) !== undefined;
    case 'resolve': {
      const one = subjectOf(model);
      return one !== undefined && !isOver(one);
    }
    case 'close':
      return subjectOf(model)?.status === 'resolved';
    case 'cure': {
      const one = screen.name === 'incident' ? model.stock.incident.value : undefined;
      return one !== undefined && cureOf(one) !== undefined;
    }
    case 'note':
      return run?.runId !== undefined && isRunning(model);
    case 'skip':
      return canSkip(model);
    case 'show-run':
      return run !== undefined && screen.name !== 'run';
    case 'allow-changes':
      return readOnly;
    case 'forbid-changes':
      return !readOnly;
    case 'next-match':
    case 'previous-match':
      return hasBrowser(screen) && screen.browser.readings[screen.browser.panel].query !== '';
    case 'open':
      return listView(model)?.table.rows.some(({ opens }) => opens !== undefined) ?? false;
    case 'back':
      return (
        model.overlay !== undefined ||
        model.filtering ||
        screen.name !== 'home' ||
        (listView(model)?.list.filter ?? '') !== ''
      );
    default:
      return true;
  }
}

/** Whether the run whose events are shown can go on. */
const isResumable = ({ stock }: Model): boolean =>
  ['waiting', 'failed', 'interrupted'].includes(stock.journal.value?.run?.state ?? '');

/** Whether the step that is shown can be left out: by its kind, and because it has not ended. */
function canSkip(model: Model): boolean {
  const screen = shown(model);
  if (screen.name !== 'run' || !isRunning(model)) return false;
  const at = stepIndex(model, screen);
  const definition = model.run?.runbook.steps[at];
  const state = stepsShown(model, screen)[at]?.state;
  return (
    definition !== undefined &&
    isSkippable(definition) &&
    (state === 'pending' || state === 'running')
  );
}

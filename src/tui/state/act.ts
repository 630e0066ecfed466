import type { Action } from '../keys.js';
import { listView } from '../view/layout.js';
import { hasBrowser, stepIndex, stepsShown } from '../view/panels.js';
import { submitAnswer } from './answer.js';
import {
  back,
  goHome,
  openList,
  openRunbook,
  openTarget,
  resume,
  showRun,
  submitForm,
} from './go.js';
import { openCure, purposeOf, refusal } from './incidents.js';
import {
  type Effect,
  isRunning,
  type Model,
  replaceScreen,
  shown,
  stay,
  tell,
  type Update,
} from './model.js';
import { choosePanel, cycle, move, read, toMatch, withBrowser } from './moves.js';
import { chosen, complete, openOverlay, openPrompt, submitPrompt } from './overlays.js';

/** Does what a key or a command stands for. */
export function act(model: Model, action: Action): Update {
  switch (action) {
    case 'up':
    case 'down':
    case 'page-up':
    case 'page-down':
    case 'top':
    case 'bottom':
      return stay(move(model, action));
    case 'next-panel':
      return stay(cycle(model, 1));
    case 'previous-panel':
      return stay(cycle(model, -1));
    case 'panel-1':
    case 'panel-2':
    case 'panel-3':
    case 'panel-4':
    case 'panel-5':
    case 'panel-6':
      return stay(choosePanel(model, action));
    case 'next-match':
      return stay(toMatch(model, 1));
    case 'previous-match':
      return stay(toMatch(model, -1));
    case 'choose':
      return stay(complete(model));
    case 'submit':
      return submit(model);
    case 'open':
      return open(model);
    case 'back':
      return leave(model);
    case 'filter':
      return filter(model);
    case 'fill-form':
      return fillForm(model);
    case 'to-answer':
      return toAnswerBox(model);
    case 'copy':
      return copy(model);
    case 'help':
    case 'palette':
      return stay(openOverlay(model, action));
    case 'redraw':
      return stay(model, { type: 'redraw' });
    case 'suspend':
      return stay(model, { type: 'suspend' });
    case 'refresh':
      return stay(model, ...refreshed(model));
    case 'go-home':
      return goHome(model);
    case 'go-health':
      return openList(model, 'health');
    case 'go-incidents':
      return openList(model, 'incidents');
    case 'go-batches':
      return openList(model, 'batches');
    case 'go-runs':
      return openList(model, 'runs');
    case 'go-commands':
      return openList(model, 'commands');
    case 'show-run':
      return showRun(model);
    case 'incident-of-run':
    case 'acknowledge':
    case 'incident-note':
    case 'resolve':
    case 'close':
    case 'escalate':
    case 'post-mortem':
      return stay(askChange(model, action));
    case 'cure':
      return openCure(model);
    case 'allow-changes':
      return stay(openPrompt(model, { to: 'allow-changes' }));
    case 'forbid-changes':
      return stay(
        tell({ ...model, readOnly: true }, 'Read-only: nothing is changed from here on.'),
      );
    default:
      return onRun(model, action);
  }
}

/** What concerns the run, and the end of it all. */
function onRun(
  model: Model,
  action: 'retry' | 'undo' | 'follow-branch' | 'note' | 'skip' | 'stop' | 'quit',
): Update {
  const { run } = model;
  switch (action) {
    case 'retry':
    case 'undo':
      if (shown(model).name === 'journal') return resumeShown(model);
      if (run?.runId === undefined) return stay(model);
      return resume(model, run.runId, run.runbook.id, action === 'undo');
    case 'follow-branch': {
      const branch = run?.report?.branch;
      if (branch?.to !== 'runbook') return stay(model);
      return openRunbook(model, branch.runbook, branch.input);
    }
    case 'note':
      return stay(openPrompt(model, { to: 'note', step: run?.current }));
    case 'skip': {
      const screen = shown(model);
      if (!hasBrowser(screen)) return stay(model);
      const step = stepsShown(model, screen)[stepIndex(model, screen)];
      return stay(step === undefined ? model : openPrompt(model, { to: 'skip', step: step.id }));
    }
    case 'stop':
      return stop(model);
    case 'quit':
      if (isRunning(model)) return stay(openPrompt(model, { to: 'leave' }));
      return stay(model, { type: 'leave', status: 'done' });
  }
}

/** Goes on with the run whose events are shown. */
function resumeShown(model: Model): Update {
  const run = model.stock.journal.value?.run;
  return run === undefined ? stay(model) : resume(model, run.runId, run.runbook);
}

/** First the run, at its next safe point; then the program. */
function stop(model: Model): Update {
  const { run } = model;
  if (run === undefined || run.phase === 'ended') {
    return stay(model, { type: 'leave', status: 'interrupted' });
  }
  const stopping: Model = { ...model, overlay: undefined, run: { ...run, phase: 'stopping' } };
  return stay(
    tell(stopping, 'Stopping at the next safe point; Ctrl-C again leaves at once.', 'caution'),
    { type: run.phase === 'stopping' ? 'leave-now' : 'stop' },
  );
}

function submit(model: Model): Update {
  const { overlay } = model;
  if (overlay?.name === 'prompt') return submitPrompt(model);
  if (overlay !== undefined) {
    const choice = chosen(model);
    const closed: Model = { ...model, overlay: undefined };
    if (choice === undefined) return stay(model);
    if (choice.does.type === 'runbook') return openRunbook(closed, choice.does.id, {});
    return act(closed, choice.does.action);
  }
  if (model.filtering) return stay({ ...model, filtering: false });
  return shown(model).name === 'run' ? submitAnswer(model) : submitForm(model);
}

function open(model: Model): Update {
  const view = listView(model);
  if (view === undefined) return stay(model);
  const { rows } = view.table;
  const target = rows[Math.min(view.list.cursor, rows.length - 1)]?.opens;
  if (target === undefined) return stay(tell(model, 'There is nothing behind this line.'));
  const home = shown(model);
  // Unfinished runs are listed to be gone on with; elsewhere a run is read.
  if (target.to === 'run' && home.name === 'home' && home.panel === 'unfinished') {
    const run = model.stock.runs.value?.runs.find(({ runId }) => runId === target.runId);
    return run === undefined ? stay(model) : resume(model, run.runId, run.runbook);
  }
  return openTarget(model, target);
}

/** Out of whatever is innermost: an overlay, a filter, a form, a panel, the screen. */
function leave(model: Model): Update {
  if (model.overlay !== undefined) return stay({ ...model, overlay: undefined });
  const screen = shown(model);
  if (model.filtering) return stay(cleared({ ...model, filtering: false }));
  if (!hasBrowser(screen)) {
    const view = listView(model);
    return view !== undefined && view.list.filter !== '' ? stay(cleared(model)) : back(model);
  }
  const { focus, panel, readings } = screen.browser;
  if (readings[panel].query !== '') return stay(read(model, screen, panel, { query: '' }));
  if (focus === 'steps') return back(model);
  return stay(withBrowser(model, screen, { focus: 'steps' }));
}

function cleared(model: Model): Model {
  const view = listView(model);
  if (view !== undefined) return replaceScreen(model, view.put({ cursor: 0, filter: '' }));
  const screen = shown(model);
  return hasBrowser(screen) ? read(model, screen, screen.browser.panel, { query: '' }) : model;
}

function filter(model: Model): Update {
  const screen = shown(model);
  const focused = hasBrowser(screen) ? withBrowser(model, screen, { focus: 'panel' }) : model;
  return stay({ ...focused, filtering: true });
}

function fillForm(model: Model): Update {
  const screen = shown(model);
  return stay(hasBrowser(screen) ? withBrowser(model, screen, { focus: 'form' }) : model);
}

/** To the answer; what is typed on the way there is not taken for it. */
function toAnswerBox(model: Model): Update {
  const screen = shown(model);
  const { answer } = model;
  if (!hasBrowser(screen) || answer === undefined) return stay(model);
  const focused = withBrowser(model, screen, { focus: 'answer' });
  return stay({ ...focused, answer: { ...answer, armed: false } }, { type: 'await-quiet' });
}

/** What `y` copies: the row's own words, or the command of the step. */
function copy(model: Model): Update {
  const screen = shown(model);
  const view = listView(model);
  const text = hasBrowser(screen)
    ? stepsShown(model, screen)[stepIndex(model, screen)]?.manual
    : view?.table.rows[Math.min(view.list.cursor, view.table.rows.length - 1)]?.copies;
  if (text === undefined) return stay(model);
  return stay(tell(model, `Copied: ${text}`, 'good'), { type: 'copy', text });
}

/** Asks before an incident is changed; in read-only mode it is not even asked. */
function askChange(model: Model, action: Parameters<typeof purposeOf>[1]): Model {
  const purpose = purposeOf(model, action);
  if (purpose === undefined) return model;
  return model.readOnly ? refusal(model) : openPrompt(model, purpose);
}

/** What has to be fetched for the screen that is shown. */
export function refreshed(model: Model): Effect[] {
  const load = (
    ...names: (
      | 'environment'
      | 'glance'
      | 'runs'
      | 'runbooks'
      | 'health'
      | 'incidents'
      | 'batches'
    )[]
  ) => names.map((what): Effect => ({ type: 'load', what }));
  const { stock } = model;
  switch (shown(model).name) {
    case 'home':
      return load('environment', 'runbooks', 'runs', 'glance', 'incidents');
    case 'health':
      return load('health');
    case 'incidents':
      return load('incidents');
    case 'runs':
      return load('runs');
    case 'batches':
      return load('batches');
    case 'journal':
      return stock.journal.value === undefined
        ? []
        : [{ type: 'load', what: 'journal', id: stock.journal.value.runId }];
    case 'incident':
      return stock.incident.value === undefined
        ? []
        : [{ type: 'load', what: 'incident', id: String(stock.incident.value.incidentId) }];
    case 'batch':
      return stock.batch.value === undefined
        ? []
        : [{ type: 'load', what: 'batch', id: stock.batch.value.batchId }];
    default:
      return [];
  }
}

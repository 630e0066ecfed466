import type { RunState } from '../../runbooks/engine/events.js';
import type { Press } from '../terminal/decode.js';
import { listView } from '../view/layout.js';
import { hasBrowser } from '../view/panels.js';
import { act, refreshed } from './act.js';
import { armed, asked, settled, typeAnswer } from './answer.js';
import { bindingFor, contextsOf } from './contexts.js';
import { editField, fieldOf } from './field.js';
import { editForm } from './form.js';
import { openRunbook } from './go.js';
import { afterChange } from './incidents.js';
import {
  type Effect,
  isTooSmall,
  type Loaded,
  type Message,
  type Model,
  nothing,
  replaceScreen,
  type StockName,
  shown,
  stay,
  tell,
  type Update,
} from './model.js';
import { read } from './moves.js';
import { typeOverlay } from './overlays.js';
import { advanceRun } from './run.js';

/** The whole program as a function: what is, and what happened, to what is then and what to do. */
export function update(model: Model, message: Message): Update {
  switch (message.type) {
    case 'press':
      return press({ ...model, now: message.at }, message.press);
    case 'resized':
      return stay({ ...model, size: message.size });
    case 'tick':
      return tick({ ...model, now: message.at });
    case 'loading':
      return stay(stocked(model, message.what, { loading: true }));
    case 'loaded':
      return openWanted({ ...model, stock: { ...model.stock, ...message.news } });
    case 'unloadable':
      return stay(stocked(model, message.what, { error: message.error, loading: false }));
    case 'notice':
      return stay({ ...model, notice: message.notice });
    case 'incident.changed':
      return stay(tell(model, message.text, message.tone), ...afterChange(model));
    case 'quiet':
      return stay(armed(model));
    case 'run.asks':
      return asked({ ...model, now: message.at }, message.question);
    default:
      return happened({ ...model, now: message.at }, message);
  }
}

/** The runbook that was asked for at the start, as soon as there are any. */
function openWanted(model: Model): Update {
  const { wanted, stock } = model;
  if (wanted === undefined || stock.runbooks.value === undefined) return stay(model);
  return openRunbook({ ...model, wanted: undefined }, wanted, {});
}

/** How often what is shown live is fetched again, in milliseconds. */
const liveInterval = 30_000;

/** Time went by: what is shown live is fetched again. */
function tick(model: Model): Update {
  const { name } = shown(model);
  if (name !== 'health' && name !== 'incidents' && name !== 'incident') return stay(model);
  const { loading, at } = model.stock[name];
  const due = !loading && model.now - (at ?? 0) >= liveInterval;
  return due ? stay(model, ...refreshed(model)) : stay(model);
}

/** How a run ended, in a sentence. */
const endings: Record<RunState, string> = {
  running: 'goes on',
  waiting: 'waits',
  succeeded: 'succeeded',
  failed: 'failed',
  refused: 'was refused',
  aborted: 'was aborted',
  interrupted: 'was interrupted',
};

/** Something happened to the run. */
function happened(
  model: Model,
  message: Extract<Message, { type: 'run.events' | 'run.ended' | 'run.broke' }>,
): Update {
  const { run } = model;
  if (run === undefined) return stay(model);
  const { at } = message;
  switch (message.type) {
    case 'run.events':
      return stay({ ...model, run: advanceRun(run, message.events, at) });
    case 'run.ended': {
      const ended = { ...run, report: message.report, phase: 'ended' as const, endedAt: at };
      const { state } = message.report;
      const next = tell(
        settled({ ...model, run: ended, ended: [...model.ended, message.report] }),
        `The run ${run.dryRun && state === 'succeeded' ? 'was planned' : endings[state]}.`,
        state === 'succeeded' ? 'good' : 'caution',
      );
      return stay(
        onReport({ ...next, stock: { ...next.stock, related: nothing } }),
        ...(['runs', 'environment', 'glance'] as const).map(load),
        ...(run.dryRun
          ? []
          : [{ type: 'load', what: 'related', id: message.report.runId } as const]),
      );
    }
    case 'run.broke': {
      const { message: text, hint } = message;
      const ended = {
        ...run,
        failure: { message: text, hint },
        phase: 'ended' as const,
        endedAt: at,
      };
      return stay(onReport(settled({ ...model, run: ended })), { type: 'load', what: 'runs' });
    }
  }
}

const load = (what: StockName): Effect => ({ type: 'load', what });

/** The end is what everybody waits for. */
function onReport(model: Model): Model {
  const screen = shown(model);
  if (screen.name !== 'run') return model;
  return replaceScreen(model, { ...screen, browser: { ...screen.browser, panel: 'report' } });
}

const stocked = (
  model: Model,
  what: StockName,
  news: Pick<Loaded<unknown>, 'loading'> & { error?: string },
): Model => ({ ...model, stock: { ...model.stock, [what]: { ...model.stock[what], ...news } } });

function press(model: Model, what: Press): Update {
  const key = 'key' in what ? what.key : undefined;
  if (isTooSmall(model.size) && key !== 'ctrl-c') return stay(model);
  const [context] = contextsOf(model);
  // Whatever the key is: it was pressed before the question could be read.
  if (context === 'answer' && model.answer?.armed === false && !key?.startsWith('ctrl-')) {
    return typeAnswer(model, what);
  }
  const calm: Model = { ...model, notice: undefined };
  const binding = key === undefined ? undefined : bindingFor(calm, key);
  if (binding !== undefined) return act(calm, binding.action);
  return type(calm, what);
}

/** A press that is no key here goes into the text that is being typed, if there is one. */
function type(model: Model, what: Press): Update {
  const { overlay, filtering } = model;
  if (overlay !== undefined) return stay(typeOverlay(model, overlay, what));
  if (filtering) return stay(typeFilter(model, what));
  const screen = shown(model);
  if (screen.name === 'run' && screen.browser.focus === 'answer') return typeAnswer(model, what);
  if (screen.name === 'runbook' && screen.browser.focus === 'form') {
    const form = editForm(screen.form, what);
    return stay(form === undefined ? model : replaceScreen(model, { ...screen, form }));
  }
  return stay(model);
}

function typeFilter(model: Model, what: Press): Model {
  const view = listView(model);
  if (view !== undefined) {
    const field = editField(fieldOf(view.list.filter), what);
    return field === undefined
      ? model
      : replaceScreen(model, view.put({ cursor: 0, filter: field.value }));
  }
  const screen = shown(model);
  if (!hasBrowser(screen)) return model;
  const { panel, readings } = screen.browser;
  const field = editField(fieldOf(readings[panel].query), what);
  return field === undefined ? model : read(model, screen, panel, { query: field.value });
}

import type { Action } from '../keys.js';
import { browserLayout, listView, panelStart } from '../view/layout.js';
import { textOf } from '../view/line.js';
import { type BrowserScreen, hasBrowser, stepIndex, stepsShown } from '../view/panels.js';
import { formRows } from './form.js';
import { type Move, moved } from './list.js';
import {
  type Browser,
  type HomePanel,
  homePanels,
  type Model,
  type Panel,
  panels,
  replaceScreen,
  shown,
} from './model.js';

/** Moves the cursor of whatever is shown: a list, the steps, the text of a panel, a form. */
export function move(model: Model, how: Move): Model {
  const { overlay } = model;
  if (overlay !== undefined) {
    if (overlay.name === 'prompt') return model;
    const cursor = moved(overlay.cursor, how, Number.MAX_SAFE_INTEGER, 10);
    return { ...model, overlay: { ...overlay, cursor } };
  }
  const view = listView(model);
  if (view !== undefined) {
    const { list, table, height } = view;
    const cursor = moved(Math.min(list.cursor, table.rows.length), how, table.rows.length, height);
    return replaceScreen(model, view.put({ ...list, cursor }));
  }
  const screen = shown(model);
  if (!hasBrowser(screen)) return model;
  if (screen.browser.focus === 'form' && screen.name === 'runbook') {
    const cursor = moved(screen.form.cursor, how, formRows(screen.form), 5);
    return replaceScreen(model, { ...screen, form: { ...screen.form, cursor } });
  }
  return screen.browser.focus === 'steps'
    ? moveStep(model, screen, how)
    : scroll(model, screen, how);
}

function moveStep(model: Model, screen: BrowserScreen, how: Move): Model {
  const steps = stepsShown(model, screen);
  const { stepRows } = browserLayout(model, screen);
  const step = moved(stepIndex(model, screen), how, steps.length, stepRows);
  return withBrowser(model, screen, { step });
}

function scroll(model: Model, screen: BrowserScreen, how: Move): Model {
  const { panel, readings } = screen.browser;
  const layout = browserLayout(model, screen);
  const { panelRows, view } = layout;
  const start = panelStart(layout, readings[panel].offset);
  const places = Math.max(1, view.lines.length - panelRows + 1);
  const offset = how === 'bottom' ? 'end' : moved(start, how, places, panelRows);
  // At the end, what comes is followed again.
  const follows = (panel === 'output' || panel === 'log') && offset === places - 1;
  return read(model, screen, panel, { offset: follows ? 'end' : offset });
}

/** To the next line of a panel that holds the searched text, or the one before. */
export function toMatch(model: Model, direction: 1 | -1): Model {
  const screen = shown(model);
  if (!hasBrowser(screen)) return model;
  const { panel, readings } = screen.browser;
  const layout = browserLayout(model, screen);
  const { lines } = layout.view;
  const query = readings[panel].query.toLowerCase();
  const start = panelStart(layout, readings[panel].offset);
  const places = [...lines.keys()].filter((at) =>
    textOf(lines[at] ?? [])
      .toLowerCase()
      .includes(query),
  );
  const next =
    direction === 1 ? places.find((at) => at > start) : places.findLast((at) => at < start);
  return next === undefined ? model : read(model, screen, panel, { offset: next });
}

export function read(
  model: Model,
  screen: BrowserScreen,
  panel: Panel,
  news: Partial<Browser['readings'][Panel]>,
): Model {
  const { readings } = screen.browser;
  return withBrowser(model, screen, {
    readings: { ...readings, [panel]: { ...readings[panel], ...news } },
  });
}

export const withBrowser = (model: Model, screen: BrowserScreen, news: Partial<Browser>): Model =>
  replaceScreen(model, { ...screen, browser: { ...screen.browser, ...news } });

/** Shows the n-th panel of the screen. */
export function choosePanel(model: Model, action: Action): Model {
  const index = Number(action.slice('panel-'.length)) - 1;
  const screen = shown(model);
  if (screen.name === 'home') {
    const panel: HomePanel | undefined = homePanels[index];
    return panel === undefined ? model : replaceScreen(model, { ...screen, panel });
  }
  const panel = panels[index];
  if (!hasBrowser(screen) || panel === undefined) return model;
  return withBrowser(model, screen, { panel });
}

/** From one part of the screen to the next, round and round. */
export function cycle(model: Model, direction: 1 | -1): Model {
  const screen = shown(model);
  if (screen.name === 'home') {
    return replaceScreen(model, { ...screen, panel: next(homePanels, screen.panel, direction) });
  }
  if (!hasBrowser(screen)) return model;
  if (screen.name === 'runbook' && screen.browser.focus === 'form') {
    return move(model, direction === 1 ? 'down' : 'up');
  }
  const asked = screen.name === 'run' && model.run?.question !== undefined;
  const parts: readonly Browser['focus'][] = asked
    ? ['steps', 'panel', 'answer']
    : ['steps', 'panel'];
  return withBrowser(model, screen, { focus: next(parts, screen.browser.focus, direction) });
}

function next<T>(all: readonly T[], now: T, direction: 1 | -1): T {
  const at = (all.indexOf(now) + direction + all.length) % all.length;
  return all[at] ?? now;
}

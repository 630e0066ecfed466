import { formRows, starts } from '../state/form.js';
import {
  type Browser,
  homePanels,
  type Model,
  panels,
  type Screen,
  shown,
} from '../state/model.js';
import type { Press } from '../terminal/decode.js';
import { listView } from '../view/layout.js';
import { type BrowserScreen, hasBrowser, stepsShown } from '../view/panels.js';

const key = (name: string): Press => ({ key: name });
const text = (paste: string): Press => ({ paste });
const enter = key('enter');

/** Words for keys that have no letter of their own. */
const words: Record<string, Press[]> = {
  back: [key('esc')],
  quit: [key('q')],
  help: [key('?')],
  redraw: [key('ctrl-l')],
};

/** From each part of the screen to the answer that a run waits for. */
const toAnswer: Record<Browser['focus'], Press[]> = {
  answer: [],
  steps: [key('tab'), key('tab')],
  panel: [key('tab')],
  form: [],
};

const homeWords: readonly string[] = homePanels;
const panelWords: readonly string[] = ['why', ...panels.slice(1)];

/** The key of a panel, by its name. */
function panelPress(screen: Screen, line: string): Press[] | undefined {
  const names = screen.name === 'home' ? homeWords : hasBrowser(screen) ? panelWords : [];
  const at = names.indexOf(line);
  return at === -1 ? undefined : [key(String(at + 1))];
}

/** A typed line as the presses that do the same on the full screen. */
export function interpret(model: Model, typed: string): Press[] {
  const line = typed.trim();
  const { overlay } = model;
  if (overlay?.name === 'prompt') return line === 'back' ? [key('esc')] : [text(line), enter];
  // The choices were read out; what is typed now is the next thing.
  if (overlay !== undefined)
    return [key('esc'), ...interpret({ ...model, overlay: undefined }, line)];
  const screen = shown(model);
  const question = screen.name === 'run' ? model.run?.question : undefined;
  if (screen.name === 'run' && question !== undefined) {
    const { focus } = screen.browser;
    const out = focus === 'answer' ? [key('tab')] : [];
    if (line.startsWith(':')) return [...out, ...command(line)];
    // What was done by hand may be said in any words; what approves is never the name of a panel.
    const panel = question.type === 'approve' ? panelPress(screen, line) : undefined;
    return panel === undefined ? [...toAnswer[focus], text(line), enter] : [...out, ...panel];
  }
  if (screen.name === 'runbook' && screen.browser.focus === 'form') return inForm(screen, line);
  if (line.startsWith(':')) return command(line);
  if (line.startsWith('/')) return [key('/'), key('ctrl-u'), text(line.slice(1)), enter];
  if (line === 'start' && screen.name === 'runbook') return [enter];
  const word = words[line] ?? panelPress(screen, line);
  if (word !== undefined) return word;
  if (/^\d+$/.test(line))
    return hasBrowser(screen) ? toStep(model, screen, Number(line)) : toRow(model, Number(line));
  return line === '' ? [] : command(`:${line}`);
}

const command = (line: string): Press[] => [key(':'), text(line.slice(1)), enter];

/** The row by its number, and what Enter does there. */
function toRow(model: Model, number: number): Press[] {
  const rows = listView(model)?.table.rows.length ?? 0;
  if (number < 1 || number > rows) return [];
  return [key('g'), ...Array.from({ length: number - 1 }, () => key('j')), enter];
}

/** The step by its number; nothing is done with it. */
function toStep(model: Model, screen: BrowserScreen, number: number): Press[] {
  if (number < 1 || number > stepsShown(model, screen).length) return [];
  const { focus } = screen.browser;
  return [
    ...(focus === 'panel' ? [key('shift-tab')] : []),
    key('g'),
    ...Array.from({ length: number - 1 }, () => key('j')),
  ];
}

function inForm(
  { form }: Extract<ReturnType<typeof shown>, { name: 'runbook' }>,
  line: string,
): Press[] {
  if (line === 'back') return [key('esc')];
  const field = form.fields[form.cursor];
  if (field !== undefined && field.choices.length === 0) {
    return [...(line === '' ? [] : [key('ctrl-e'), key('ctrl-u'), text(line)]), enter];
  }
  if (field !== undefined) {
    const from = field.choices.indexOf(field.text.value);
    const to = line === '' ? from : field.choices.indexOf(line);
    if (to === -1) return [];
    const steps = (to - from + field.choices.length) % field.choices.length;
    return [...Array.from({ length: steps }, () => key('right')), enter];
  }
  const start = (starts as readonly string[]).indexOf(line);
  if (start === -1) return [];
  const wanted = formRows(form) - starts.length + start;
  const way = key(wanted > form.cursor ? 'down' : 'up');
  return [...Array.from({ length: Math.abs(wanted - form.cursor) }, () => way), enter];
}

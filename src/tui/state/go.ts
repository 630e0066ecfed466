import type { Inputs } from '../../runbooks/engine/definition.js';
import type { Target } from '../view/table.js';
import { checkForm, formOf, formRows, startAt } from './form.js';
import { emptyList } from './list.js';
import {
  type Effect,
  homeScreen,
  isRunning,
  type ListScreen,
  type Model,
  newBrowser,
  nothing,
  pushScreen,
  record,
  replaceScreen,
  runCommandText,
  shown,
  stay,
  tell,
  type Update,
} from './model.js';
import { newRun } from './run.js';

/** Opens what a row of a list stands for. */
export function openTarget(model: Model, target: Target): Update {
  switch (target.to) {
    case 'runbook':
      return openRunbook(model, target.id, target.input, target.incident);
    case 'incidents':
      return openList(model, 'incidents');
    case 'incident': {
      // Another one that was looked at before is not shown under this one's name.
      const stock = { ...model.stock, incident: nothing };
      const opened = pushScreen({ ...model, stock }, { name: 'incident', list: emptyList });
      return stay(record(opened, `reviewops incident show ${target.id}`), {
        type: 'load',
        what: 'incident',
        id: String(target.id),
      });
    }
    case 'batch':
      return stay(pushScreen(model, { name: 'batch', list: emptyList }), {
        type: 'load',
        what: 'batch',
        id: target.batchId,
      });
    case 'run':
      return stay(pushScreen(model, { name: 'journal', list: emptyList }), {
        type: 'load',
        what: 'journal',
        id: target.runId,
      });
  }
}

/** Opens a runbook to be read, with what is known of its inputs filled in. */
export function openRunbook(model: Model, id: string, known: Inputs, incident?: number): Update {
  const runbook = model.stock.runbooks.value?.find((one) => one.id === id);
  if (runbook === undefined) return stay(tell(model, `There is no runbook ${id}.`, 'bad'));
  const form = formOf(runbook, known);
  return stay(
    pushScreen(model, { name: 'runbook', runbook, form, browser: newBrowser(), incident }),
  );
}

const listScreens: Record<
  ListScreen['name'],
  { load?: 'health' | 'incidents' | 'runs' | 'batches'; command?: string }
> = {
  health: { load: 'health', command: 'reviewops health' },
  incidents: { load: 'incidents', command: 'reviewops incident list' },
  runs: { load: 'runs', command: 'reviewops runbook history' },
  batches: { load: 'batches', command: 'reviewops batch list' },
  incident: {},
  batch: {},
  journal: {},
  commands: {},
};

export function openList(model: Model, name: ListScreen['name']): Update {
  if (shown(model).name === name) return stay(model);
  const { load, command } = listScreens[name];
  const recorded = command === undefined ? model : record(model, command);
  const effects: Effect[] = load === undefined ? [] : [{ type: 'load', what: load }];
  // The way back stays short, however often somebody goes to and fro.
  const screens = recorded.screens.filter((screen) => screen.name !== name);
  return stay(pushScreen({ ...recorded, screens }, { name, list: emptyList }), ...effects);
}

export const goHome = (model: Model): Update =>
  stay(
    { ...model, screens: [homeScreen], overlay: undefined, filtering: false },
    { type: 'load', what: 'runs' },
  );

/** One level back; on the first screen the filter is cleared. */
export function back(model: Model): Update {
  if (model.screens.length > 1) {
    const screens = model.screens.slice(0, -1);
    return stay(
      { ...model, screens },
      ...(screens.length === 1 ? [{ type: 'load', what: 'runs' } as const] : []),
    );
  }
  return stay(replaceScreen(model, homeScreen));
}

export function showRun(model: Model): Update {
  if (model.run === undefined) return stay(tell(model, 'No run was started here yet.'));
  if (shown(model).name === 'run') return stay(model);
  const asks = model.run.question !== undefined;
  const browser = newBrowser(asks ? 'answer' : 'steps');
  const panel = asks ? 'plan' : model.run.phase === 'ended' ? 'report' : 'guide';
  const next = pushScreen(model, { name: 'run', browser: { ...browser, panel } });
  if (next.answer === undefined) return stay(next);
  return stay({ ...next, answer: { ...next.answer, armed: false } }, { type: 'await-quiet' });
}

/** Enter in the form: the next input, or a start. */
export function submitForm(model: Model): Update {
  const screen = shown(model);
  if (screen.name !== 'runbook') return stay(model);
  const { form, runbook } = screen;
  const start = startAt(form);
  if (start === undefined) {
    const cursor = Math.min(form.cursor + 1, formRows(form) - 1);
    return stay(replaceScreen(model, { ...screen, form: { ...form, cursor } }));
  }
  const { input, problems } = checkForm(runbook, form);
  if (input === undefined) {
    const [[name, problem] = ['', '']] = problems;
    const cursor = Math.max(
      0,
      form.fields.findIndex((field) => field.name === name),
    );
    const fields = form.fields.map((field) => ({ ...field, touched: true }));
    const shownForm = { ...form, fields, cursor };
    return stay(
      tell(replaceScreen(model, { ...screen, form: shownForm }), `${name} ${problem}`, 'bad'),
    );
  }
  if (isRunning(model)) {
    return stay(tell(model, 'Another run goes on: w shows it. One at a time.', 'caution'));
  }
  return startRun(model, screen, input, start === 'look');
}

function startRun(
  model: Model,
  { runbook, incident }: Extract<ReturnType<typeof shown>, { name: 'runbook' }>,
  input: Inputs,
  dryRun: boolean,
): Update {
  const { now: at, readOnly } = model;
  const run = newRun(runbook, { dryRun, at });
  const command = runCommandText(
    runbook.id,
    input,
    (incident === undefined ? '' : ` --incident ${incident}`) +
      (dryRun ? ' --dry-run' : readOnly ? ' --read-only' : ''),
  );
  const screens = [
    ...model.screens.filter(({ name }) => name !== 'run'),
    { name: 'run' as const, browser: newBrowser() },
  ];
  return stay(record({ ...model, run, answer: undefined, screens }, command), {
    type: 'start',
    runbook,
    input,
    dryRun,
    readOnly,
    ...(incident === undefined ? {} : { incident: String(incident) }),
  });
}

/** Goes on with the run that is shown, or takes back what it did. */
export function resume(model: Model, runId: string, runbookId: string, undo = false): Update {
  const runbook = model.stock.runbooks.value?.find(({ id }) => id === runbookId);
  if (runbook === undefined)
    return stay(tell(model, `There is no runbook ${runbookId} any more.`, 'bad'));
  if (isRunning(model)) return stay(tell(model, 'Another run goes on: w shows it.', 'caution'));
  const run = newRun(runbook, { at: model.now });
  const screens = [
    ...model.screens.filter(({ name }) => name !== 'run'),
    { name: 'run' as const, browser: newBrowser() },
  ];
  const command = `reviewops runbook resume ${runId}${undo ? ' --undo' : ''}`;
  return stay(record({ ...model, run, answer: undefined, screens }, command), {
    type: 'resume',
    runId,
    undo,
    readOnly: model.readOnly,
  });
}

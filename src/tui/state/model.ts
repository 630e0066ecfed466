import type { EndedRun } from '../../cli/incident-of-run.js';
import type { HealthReport } from '../../health/runner.js';
import type { IncidentDetail, IncidentRow } from '../../incidents/read-model.js';
import type { BatchSummary } from '../../lake/batch-state.js';
import type { BatchDetails } from '../../lake/batches.js';
import type { Answer, Question } from '../../runbooks/engine/answers.js';
import type { Inputs, JsonObject, Runbook } from '../../runbooks/engine/definition.js';
import type { JournalEntry, RunEvent } from '../../runbooks/engine/events.js';
import type { RunSummary } from '../../runbooks/engine/history.js';
import type { RunReport } from '../../runbooks/engine/report.js';
import { shellWord } from '../../system/shell.js';
import type { Press } from '../terminal/decode.js';
import type { Field } from './field.js';
import type { Form } from './form.js';
import type { ListState } from './list.js';
import type { RunView } from './run.js';

export interface Size {
  columns: number;
  rows: number;
}

/** Below this nothing can be drawn that could be trusted. */
export const smallest: Size = { columns: 80, rows: 24 };

/** Which environment the connection reports: never what the configuration calls it. */
export interface Environment {
  kind: 'production' | 'elsewhere' | 'local' | 'unreachable' | 'unknown';
  /** For the header: `PRODUCTION`, `embedded`, … */
  name: string;
  /** Database, role and address, as the server says. */
  detail: string;
}

/** Something that is fetched; what is there stays in sight while it is fetched again. */
export interface Loaded<T> {
  value: T | undefined;
  error: string | undefined;
  loading: boolean;
  /** When it was fetched, in milliseconds since the epoch. */
  at: number | undefined;
}

export interface Journal {
  runId: string;
  run: RunSummary | undefined;
  entries: readonly JournalEntry[];
}

export interface Related {
  runId: string;
  incident: IncidentRow | undefined;
}

/** What the program knows of the system, each fetched on its own. */
export interface Stock {
  environment: Loaded<Environment>;
  runbooks: Loaded<readonly Runbook[]>;
  glance: Loaded<HealthReport>;
  health: Loaded<HealthReport>;
  runs: Loaded<{ runs: readonly RunSummary[]; broken: readonly string[] }>;
  batches: Loaded<readonly BatchSummary[]>;
  incidents: Loaded<readonly IncidentRow[]>;
  incident: Loaded<IncidentDetail>;
  /** The open incident that the run which ended last belongs to. */
  related: Loaded<Related>;
  batch: Loaded<BatchDetails>;
  journal: Loaded<Journal>;
}
export type StockName = keyof Stock;

export const homePanels = ['system', 'runbooks', 'unfinished', 'recent'] as const;
export type HomePanel = (typeof homePanels)[number];

export const panels = ['guide', 'evidence', 'output', 'plan', 'log', 'report'] as const;
export type Panel = (typeof panels)[number];

/** Where somebody is in a panel of text or rows. */
export interface Reading {
  /** The first line in sight; `end` follows what comes. */
  offset: number | 'end';
  query: string;
}

/** Steps at the left, what they say at the right. */
export interface Browser {
  /** The step that is shown; `current` follows the run. */
  step: number | 'current';
  focus: 'steps' | 'panel' | 'answer' | 'form';
  panel: Panel;
  readings: Readonly<Record<Panel, Reading>>;
}

export interface ListScreen {
  name: 'health' | 'incidents' | 'incident' | 'batches' | 'runs' | 'batch' | 'journal' | 'commands';
  list: ListState;
}

export type Screen =
  | { name: 'home'; panel: HomePanel; lists: Readonly<Record<HomePanel, ListState>> }
  | {
      name: 'runbook';
      runbook: Runbook;
      form: Form;
      browser: Browser;
      /** The incident that it is opened for. */
      incident: number | undefined;
    }
  | { name: 'run'; browser: Browser }
  | ListScreen;

/** What lies over the screen and takes all keys. */
export type Overlay =
  | { name: 'help' | 'palette'; field: Field; cursor: number }
  | { name: 'prompt'; purpose: PromptPurpose; field: Field; problem: string | undefined };

export type PromptPurpose =
  | { to: 'note'; step: string | undefined }
  | { to: 'skip'; step: string }
  | IncidentPurpose
  | { to: 'allow-changes' }
  | { to: 'leave' };

/** What is asked before an incident is changed. */
export type IncidentPurpose =
  | { to: 'acknowledge' | 'incident-note' | 'resolve' | 'escalate' | 'post-mortem'; id: number }
  /** `confirmed`: how many points of the checklist hold, in their order. */
  | { to: 'close'; id: number; confirmed: number }
  /** Without an id one is opened. */
  | { to: 'incident-of-run'; id: number | undefined; run: EndedRun };

/** What is done to an incident. */
export type IncidentChange =
  | { to: 'acknowledge' | 'escalate' | 'close'; id: number }
  | { to: 'resolve'; id: number; rootCause?: string }
  | { to: 'incident-note'; id: number; text: string }
  | { to: 'post-mortem'; id: number; file: string }
  | { to: 'open'; severity: string; summary: string; run: EndedRun }
  | { to: 'add'; id: number; text: string; run: EndedRun };

/** The answer to the question of the run, while it is typed. */
export interface AnswerBox {
  field: Field;
  /** False until no key has come for a moment: what was typed before is not meant for it. */
  armed: boolean;
  problem: string | undefined;
}

export interface Notice {
  text: string;
  tone: 'plain' | 'good' | 'caution' | 'bad';
}

export interface Model {
  size: Size;
  /** Milliseconds since the epoch, as of the last message. */
  now: number;
  tool: string;
  operator: string;
  readOnly: boolean;
  stock: Stock;
  /** The one that is shown is the last. */
  screens: readonly Screen[];
  overlay: Overlay | undefined;
  /** A filter is being typed on the screen below. */
  filtering: boolean;
  run: RunView | undefined;
  answer: AnswerBox | undefined;
  notice: Notice | undefined;
  /** The runbook to open once the runbooks are known. */
  wanted: string | undefined;
  /** Runs that ended here, for whoever leaves. */
  ended: readonly RunReport[];
  /** What was done, as commands somebody could type; newest last. */
  commands: readonly string[];
}

export type Message =
  | { type: 'press'; press: Press; at: number }
  | { type: 'resized'; size: Size }
  | { type: 'tick'; at: number }
  | { type: 'loading'; what: StockName }
  | { type: 'loaded'; news: Partial<Stock> }
  | { type: 'unloadable'; what: StockName; error: string }
  | { type: 'run.events'; events: readonly RunEvent[]; at: number }
  | { type: 'run.asks'; question: Question; at: number }
  | { type: 'run.ended'; report: RunReport; at: number }
  | { type: 'run.broke'; message: string; hint: string | undefined; at: number }
  | { type: 'incident.changed'; text: string; tone: Notice['tone'] }
  | { type: 'quiet' }
  | { type: 'notice'; notice: Notice };

/** What the reducers want done in the world. */
export type Effect =
  | { type: 'load'; what: StockName; id?: string }
  | {
      type: 'start';
      runbook: Runbook;
      input: Inputs;
      dryRun: boolean;
      readOnly: boolean;
      incident?: string;
    }
  | { type: 'incident'; change: IncidentChange; readOnly: boolean }
  | { type: 'resume'; runId: string; undo: boolean; readOnly: boolean }
  | { type: 'answer'; answer: Answer }
  | { type: 'note'; text: string; step: string | undefined }
  | { type: 'skip'; step: string; reason: string }
  | { type: 'stop' }
  | { type: 'leave-now' }
  /** Say `quiet` once no key has come for a moment. */
  | { type: 'await-quiet' }
  | { type: 'copy'; text: string }
  | { type: 'redraw' }
  | { type: 'suspend' }
  | { type: 'leave'; status: 'done' | 'interrupted' };

export type Update = readonly [Model, readonly Effect[]];

export const stay = (model: Model, ...effects: Effect[]): Update => [model, effects];

export const nothing = { value: undefined, error: undefined, loading: false, at: undefined };

const freshStock: Stock = {
  environment: nothing,
  runbooks: nothing,
  glance: nothing,
  health: nothing,
  runs: nothing,
  batches: nothing,
  incidents: nothing,
  incident: nothing,
  related: nothing,
  batch: nothing,
  journal: nothing,
};

export interface Beginning {
  size: Size;
  now: number;
  tool: string;
  operator: string;
  readOnly: boolean;
  wanted: string | undefined;
}

const atTop: ListState = { cursor: 0, filter: '' };

export const homeScreen: Screen = {
  name: 'home',
  panel: 'runbooks',
  lists: { system: atTop, runbooks: atTop, unfinished: atTop, recent: atTop },
};

export const begin = (beginning: Beginning): Model => ({
  ...beginning,
  stock: freshStock,
  screens: [homeScreen],
  overlay: undefined,
  filtering: false,
  run: undefined,
  answer: undefined,
  notice: undefined,
  ended: [],
  commands: [],
});

export const newBrowser = (focus: Browser['focus'] = 'steps'): Browser => {
  const top: Reading = { offset: 0, query: '' };
  return {
    step: 'current',
    focus,
    panel: 'guide',
    readings: {
      guide: top,
      evidence: top,
      output: { offset: 'end', query: '' },
      plan: top,
      log: { offset: 'end', query: '' },
      report: top,
    },
  };
};

export const shown = (model: Model): Screen => model.screens.at(-1) ?? homeScreen;

export const replaceScreen = (model: Model, screen: Screen): Model => ({
  ...model,
  screens: [...model.screens.slice(0, -1), screen],
});

export const pushScreen = (model: Model, screen: Screen): Model => ({
  ...model,
  filtering: false,
  screens: [...model.screens, screen],
});

export const isTooSmall = ({ columns, rows }: Size): boolean =>
  columns < smallest.columns || rows < smallest.rows;

/** The run goes on: it must be stopped before anybody leaves. */
export const isRunning = ({ run }: Model): boolean => run !== undefined && run.phase !== 'ended';

export const tell = (model: Model, text: string, tone: Notice['tone'] = 'plain'): Model => ({
  ...model,
  notice: { text, tone },
});

/** The command line that does the same, for the log of commands. */
export const record = (model: Model, command: string): Model => ({
  ...model,
  commands: [...model.commands.filter((other) => other !== command), command].slice(-200),
});

/** Inputs as a command line takes them. */
export function runCommandText(id: string, input: Inputs | JsonObject, more: string): string {
  const inputs = Object.entries(input)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(
      ([name, value]) =>
        ` --input ${shellWord(`${name}=${Array.isArray(value) ? value.join(',') : String(value)}`)}`,
    );
  return `reviewops runbook run ${id}${inputs.join('')}${more}`;
}

/**
 * Every key of the program: what handles it, what the footer and `?` say of it, and the page in the
 * documentation are made from this list.
 */

/** Where a key means something. Earlier ones win where several are in force. */
export type Context =
  | 'everywhere'
  | 'home'
  | 'list'
  | 'health'
  | 'runbook'
  | 'form'
  | 'run'
  | 'steps'
  | 'panel'
  | 'answer'
  | 'filter'
  | 'help'
  | 'palette'
  | 'prompt';

export const actions = [
  'help',
  'palette',
  'back',
  'redraw',
  'suspend',
  'stop',
  'refresh',
  'filter',
  'up',
  'down',
  'page-up',
  'page-down',
  'top',
  'bottom',
  'open',
  'next-panel',
  'previous-panel',
  'panel-1',
  'panel-2',
  'panel-3',
  'panel-4',
  'panel-5',
  'panel-6',
  'copy',
  'fill-form',
  'choose',
  'submit',
  'next-match',
  'previous-match',
  'note',
  'skip',
  'retry',
  'undo',
  'follow-branch',
  'show-run',
  'go-home',
  'go-health',
  'go-batches',
  'go-runs',
  'go-commands',
  'allow-changes',
  'forbid-changes',
  'quit',
] as const;
export type Action = (typeof actions)[number];

export interface Binding {
  action: Action;
  context: Context;
  /** Names of keys as decode.ts gives them; none for what is reached by the palette only. */
  keys: readonly string[];
  /** For the footer: one or two words. */
  label: string;
  /** For the help: a sentence. */
  description: string;
  /** Names in the palette, without the colon. */
  commands?: readonly string[];
  /** Left out of the footer, where room is scarce. */
  quiet?: true;
}

const moves = (context: Context): Binding[] => [
  { action: 'up', context, keys: ['up', 'k'], label: 'up', description: 'One up.', quiet: true },
  {
    action: 'down',
    context,
    keys: ['down', 'j'],
    label: 'down',
    description: 'One down.',
    quiet: true,
  },
  {
    action: 'page-up',
    context,
    keys: ['pageup', 'ctrl-b'],
    label: 'page up',
    description: 'One page up.',
    quiet: true,
  },
  {
    action: 'page-down',
    context,
    keys: ['pagedown', 'ctrl-f'],
    label: 'page down',
    description: 'One page down.',
    quiet: true,
  },
  {
    action: 'top',
    context,
    keys: ['g', 'home'],
    label: 'top',
    description: 'To the first.',
    quiet: true,
  },
  {
    action: 'bottom',
    context,
    keys: ['G', 'end'],
    label: 'bottom',
    description: 'To the last; what comes is followed.',
    quiet: true,
  },
];

/** Moving while letters are typed: the arrows only. */
const typingMoves = (context: Context): Binding[] => [
  { action: 'up', context, keys: ['up'], label: 'up', description: 'One up.', quiet: true },
  { action: 'down', context, keys: ['down'], label: 'down', description: 'One down.', quiet: true },
];

const numbered = (context: Context, names: readonly string[]): Binding[] =>
  names.map((name, index) => ({
    action: `panel-${index + 1}` as Action,
    context,
    keys: [String(index + 1)],
    label: name,
    description: `Show ${name}.`,
    quiet: true,
  }));

export const bindings: readonly Binding[] = [
  {
    action: 'submit',
    context: 'answer',
    keys: ['enter'],
    label: 'answer',
    description: 'Give the answer that was typed.',
  },
  {
    action: 'next-panel',
    context: 'answer',
    keys: ['tab'],
    label: 'look around',
    description: 'Leave the answer for the steps and panels.',
  },
  {
    action: 'previous-panel',
    context: 'answer',
    keys: ['shift-tab'],
    label: 'back to panel',
    description: 'Leave the answer for the panel.',
    quiet: true,
  },
  {
    action: 'back',
    context: 'answer',
    keys: ['esc'],
    label: 'look around',
    description: 'Leave the answer; the run waits.',
    quiet: true,
  },
  ...typingMoves('answer'),

  {
    action: 'submit',
    context: 'filter',
    keys: ['enter'],
    label: 'keep',
    description: 'Keep the filter.',
  },
  {
    action: 'back',
    context: 'filter',
    keys: ['esc'],
    label: 'clear',
    description: 'Clear the filter.',
  },
  ...typingMoves('filter'),

  {
    action: 'submit',
    context: 'help',
    keys: ['enter'],
    label: 'do it',
    description: 'Do what is chosen.',
  },
  {
    action: 'back',
    context: 'help',
    keys: ['esc'],
    label: 'close',
    description: 'Close the help.',
  },
  ...typingMoves('help'),
  {
    action: 'submit',
    context: 'palette',
    keys: ['enter'],
    label: 'do it',
    description: 'Do what is chosen.',
  },
  {
    action: 'choose',
    context: 'palette',
    keys: ['tab'],
    label: 'complete',
    description: 'Complete the command.',
  },
  {
    action: 'back',
    context: 'palette',
    keys: ['esc'],
    label: 'close',
    description: 'Close the palette.',
  },
  ...typingMoves('palette'),
  {
    action: 'submit',
    context: 'prompt',
    keys: ['enter'],
    label: 'say it',
    description: 'Take what was typed.',
  },
  { action: 'back', context: 'prompt', keys: ['esc'], label: 'cancel', description: 'Leave it.' },

  {
    action: 'submit',
    context: 'form',
    keys: ['enter'],
    label: 'next',
    description: 'The next input; on a start, start.',
  },
  {
    action: 'next-panel',
    context: 'form',
    keys: ['tab'],
    label: 'next',
    description: 'The next input.',
    quiet: true,
  },
  {
    action: 'previous-panel',
    context: 'form',
    keys: ['shift-tab'],
    label: 'previous',
    description: 'The input before.',
    quiet: true,
  },
  {
    action: 'back',
    context: 'form',
    keys: ['esc'],
    label: 'leave the form',
    description: 'Back to the steps.',
  },
  ...typingMoves('form'),

  {
    action: 'open',
    context: 'home',
    keys: ['enter'],
    label: 'open',
    description: 'Open the runbook or the run; of the system, the runbook that cures it.',
  },
  {
    action: 'next-panel',
    context: 'home',
    keys: ['tab'],
    label: 'next panel',
    description: 'The next panel.',
    quiet: true,
  },
  {
    action: 'previous-panel',
    context: 'home',
    keys: ['shift-tab'],
    label: 'panel before',
    description: 'The panel before.',
    quiet: true,
  },
  ...numbered('home', ['the system', 'the runbooks', 'unfinished runs', 'recent runs']),

  {
    action: 'retry',
    context: 'list',
    keys: ['r'],
    label: 'go on',
    description: 'Go on with the run whose events these are.',
  },
  {
    action: 'open',
    context: 'list',
    keys: ['enter'],
    label: 'open',
    description: 'Open what is chosen.',
  },

  {
    action: 'fill-form',
    context: 'runbook',
    keys: ['enter'],
    label: 'inputs and start',
    description: 'Go to the inputs and the ways to start.',
  },
  {
    action: 'retry',
    context: 'run',
    keys: ['r'],
    label: 'try again',
    description: 'Go on with the run at the first step not proven done.',
    commands: ['retry', 'resume'],
  },
  {
    action: 'follow-branch',
    context: 'run',
    keys: ['b'],
    label: 'next runbook',
    description: 'Open the runbook that the evidence leads to.',
    commands: ['branch', 'next'],
  },
  {
    action: 'note',
    context: 'run',
    keys: ['n'],
    label: 'note',
    description: 'Write a note into the journal of the run.',
    commands: ['note'],
  },
  {
    action: 'skip',
    context: 'run',
    keys: ['S'],
    label: 'skip',
    description: 'Skip the chosen check or manual step, with a reason.',
    commands: ['skip'],
  },
  {
    action: 'undo',
    context: 'run',
    keys: [],
    label: 'undo',
    description: 'Take back what the run did, where every step can be; asks first.',
    commands: ['undo'],
  },
  {
    action: 'copy',
    context: 'steps',
    keys: ['y'],
    label: 'copy command',
    description: 'Copy the manual command of the step to the clipboard of the terminal.',
    commands: ['copy'],
  },
  {
    action: 'next-panel',
    context: 'steps',
    keys: ['tab', 'right'],
    label: 'to the panel',
    description: 'From the steps to the panel, to the answer, and back.',
  },
  {
    action: 'previous-panel',
    context: 'steps',
    keys: ['shift-tab', 'left'],
    label: 'to the steps',
    description: 'The other way round.',
    quiet: true,
  },
  ...numbered('steps', [
    'why and how',
    'the evidence',
    'the output',
    'the plan',
    'the log',
    'the report',
  ]),
  {
    action: 'next-match',
    context: 'panel',
    keys: [']'],
    label: 'next match',
    description: 'The next line with the searched text.',
    quiet: true,
  },
  {
    action: 'previous-match',
    context: 'panel',
    keys: ['['],
    label: 'match before',
    description: 'The line before with the searched text.',
    quiet: true,
  },
  ...moves('everywhere'),
  {
    action: 'filter',
    context: 'everywhere',
    keys: ['/'],
    label: 'find',
    description: 'Find: what you see (runbooks), or any text (lists, panels).',
  },
  {
    action: 'copy',
    context: 'list',
    keys: ['y'],
    label: 'copy',
    description: 'Copy what is chosen to the clipboard of the terminal.',
    quiet: true,
  },
  {
    action: 'refresh',
    context: 'everywhere',
    keys: ['ctrl-r'],
    label: 'look again',
    description: 'Fetch what is shown again.',
    commands: ['refresh'],
    quiet: true,
  },
  {
    action: 'back',
    context: 'everywhere',
    keys: ['esc'],
    label: 'back',
    description: 'One level back.',
  },
  {
    action: 'show-run',
    context: 'everywhere',
    keys: ['w'],
    label: 'the run',
    description: 'Show the run that goes on, or ended last.',
    commands: ['run'],
  },
  {
    action: 'go-home',
    context: 'everywhere',
    keys: [],
    label: 'home',
    description: 'The first screen.',
    commands: ['home'],
  },
  {
    action: 'go-health',
    context: 'everywhere',
    keys: ['H'],
    label: 'health',
    description: 'Every check, live.',
    commands: ['health', 'checks'],
    quiet: true,
  },
  {
    action: 'go-batches',
    context: 'everywhere',
    keys: ['B'],
    label: 'batches',
    description: 'The batches of the lake.',
    commands: ['batches', 'batch', 'lake'],
    quiet: true,
  },
  {
    action: 'go-runs',
    context: 'everywhere',
    keys: ['R'],
    label: 'runs',
    description: 'All runs, with every event.',
    commands: ['runs', 'history'],
    quiet: true,
  },
  {
    action: 'go-commands',
    context: 'everywhere',
    keys: ['C'],
    label: 'commands',
    description: 'What was done here, as commands that can be copied.',
    commands: ['commands', 'log'],
    quiet: true,
  },
  {
    action: 'allow-changes',
    context: 'everywhere',
    keys: [],
    label: 'allow changes',
    description: 'Leave the read-only mode, by typing so.',
    commands: ['allow-changes', 'write'],
  },
  {
    action: 'forbid-changes',
    context: 'everywhere',
    keys: [],
    label: 'read-only',
    description: 'Refuse whatever changes something, from here on.',
    commands: ['read-only', 'safe'],
  },
  {
    action: 'palette',
    context: 'everywhere',
    keys: [':'],
    label: 'commands',
    description: 'Type a command or the name of a runbook.',
    quiet: true,
  },
  {
    action: 'help',
    context: 'everywhere',
    keys: ['?'],
    label: 'keys',
    description: 'What can be done here; what is chosen can be done from there.',
    commands: ['help', 'keys'],
  },
  {
    action: 'redraw',
    context: 'everywhere',
    keys: ['ctrl-l'],
    label: 'redraw',
    description: 'Draw the screen anew.',
    commands: ['redraw'],
    quiet: true,
  },
  {
    action: 'suspend',
    context: 'everywhere',
    keys: ['ctrl-z'],
    label: 'suspend',
    description: 'Back to the shell; `fg` returns. A run goes on only after that.',
    commands: ['suspend'],
    quiet: true,
  },
  {
    action: 'stop',
    context: 'everywhere',
    keys: ['ctrl-c'],
    label: 'stop',
    description:
      'Stop the run at its next safe point; once more leaves at once. Without a run: leave.',
    commands: ['stop'],
  },
  {
    action: 'quit',
    context: 'everywhere',
    keys: ['q'],
    label: 'quit',
    description: 'Leave; while a run goes on, after a question.',
    commands: ['quit', 'q', 'exit'],
  },
];

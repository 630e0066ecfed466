/** Where a key means something. Earlier ones win where several are in force. */
export type Context =
  | 'everywhere'
  | 'home'
  | 'list'
  | 'incident'
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
  'to-answer',
  'choose',
  'submit',
  'next-match',
  'previous-match',
  'note',
  'skip',
  'retry',
  'undo',
  'follow-branch',
  'incident-of-run',
  'acknowledge',
  'incident-note',
  'resolve',
  'close',
  'escalate',
  'cure',
  'post-mortem',
  'show-run',
  'go-home',
  'go-health',
  'go-incidents',
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

import type { Binding, Context } from './binding.js';

/** Moving while letters are typed: the arrows only. */
const typingMoves = (context: Context): Binding[] => [
  { action: 'up', context, keys: ['up'], label: 'up', description: 'One up.', quiet: true },
  { action: 'down', context, keys: ['down'], label: 'down', description: 'One down.', quiet: true },
];

/** While text is typed: what no text can hold. */
export const typing: readonly Binding[] = [
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
];

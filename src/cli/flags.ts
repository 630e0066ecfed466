import { Flags } from '@oclif/core';

/** Flags of every command. */
export const globalFlags = {
  config: Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: 'FILE',
    description: 'Configuration file, instead of the nearest reviewops.config.yaml.',
  }),
  profile: Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: 'NAME',
    description: 'Profile of the configuration: dev, prod or one of your own (REVIEWOPS_PROFILE).',
  }),
  home: Flags.string({
    helpGroup: 'GLOBAL',
    helpValue: 'DIR',
    description: 'State directory (REVIEWOPS_HOME; default .reviewops).',
  }),
  json: Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'One JSON document on stdout instead of text.',
  }),
  quiet: Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'No progress and no notices; warnings and errors stay.',
  }),
  verbose: Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'Causes and stacks of errors.',
  }),
  'no-color': Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'No colours (NO_COLOR, TERM=dumb).',
  }),
  'no-input': Flags.boolean({
    helpGroup: 'GLOBAL',
    description: 'Never ask; what needs an answer is refused.',
  }),
};

/** For commands that change something. */
export const changeFlags = {
  yes: Flags.boolean({ char: 'y', description: 'Answer the confirmation with yes.' }),
};

/** For commands that print their plan. */
export const dryRunFlag = {
  'dry-run': Flags.boolean({ description: 'Show the plan that would run; change nothing.' }),
};

/** For commands that destroy something. Where some of it is only a change, `changeFlags` follow. */
export const destroyFlags = {
  ...dryRunFlag,
  // Known, so that a script which answers everything with it is refused (3) and not wrong (2).
  yes: Flags.boolean({
    char: 'y',
    description: 'Not enough here: give --confirm or --plan.',
  }),
  confirm: Flags.string({
    helpValue: 'NAME',
    description: 'Name of the target, as the refusal prints it.',
  }),
  plan: Flags.string({
    helpValue: 'HASH',
    description: 'Hash of the plan that --dry-run printed; refused when reality has changed.',
  }),
};

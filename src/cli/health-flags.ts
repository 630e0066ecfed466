import { Flags } from '@oclif/core';

/** Between two looks of a watch, unless `--every` says otherwise. */
export const everySeconds = 30;

/** What `health` can be asked. */
export const healthFlags = {
  check: Flags.string({
    multiple: true,
    helpValue: 'NAME',
    description: 'Only this check; several may be given.',
  }),
  format: Flags.option({
    options: ['text', 'junit', 'prometheus', 'nagios'] as const,
    default: 'text' as const,
    description: 'How the report is written.',
  })(),
  'fail-on': Flags.option({
    options: ['warning', 'critical'] as const,
    default: 'warning' as const,
    description: 'With critical, a warning ends with status 0.',
  })(),
  watch: Flags.boolean({
    description: 'Look again and again until Ctrl-C; `--watch 60` is `--watch --every 60`.',
    exclusive: ['json', 'list'],
  }),
  every: Flags.integer({
    helpValue: 'SECONDS',
    min: 1,
    dependsOn: ['watch'],
    description: `Seconds between two looks of a watch; ${everySeconds} unless given.`,
  }),
  'no-wake': Flags.boolean({
    description: 'Make no connection to the database, so that serverless compute stays asleep.',
  }),
  incidents: Flags.boolean({
    allowNo: true,
    default: true,
    description: 'Open incidents for what is found (incidents.openFrom.health says from when).',
  }),
  list: Flags.boolean({ description: 'List the checks; run none.' }),
};

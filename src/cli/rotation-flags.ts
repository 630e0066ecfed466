import { Flags } from '@oclif/core';

/** Flags of every rotation, beside those of a run. */
export const rotationFlags = {
  continue: Flags.boolean({
    description: 'Go on with the rotation that is under way.',
    exclusive: ['undo', 'dry-run'],
  }),
  undo: Flags.boolean({
    description: 'Take back the rotation that is under way; needs a yes.',
    exclusive: ['continue', 'dry-run'],
  }),
};

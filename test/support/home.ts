import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resetEmbedded } from '../../src/database/embedded/index.js';

const job = { signal: new AbortController().signal, report: () => undefined };

/**
 * A state directory of a test, in a directory that only its owner can enter, as `mktemp -d` makes
 * them. `remove` stops and removes the embedded server in it, too.
 */
export async function makeHome(): Promise<{
  parent: string;
  home: string;
  remove(): Promise<void>;
}> {
  const parent = await mkdtemp(join(tmpdir(), 'reviewops-home-'));
  const home = join(parent, '.reviewops');
  return {
    parent,
    home,
    remove: async () => {
      await resetEmbedded({ home, ...job });
      await rm(parent, { recursive: true, force: true });
    },
  };
}

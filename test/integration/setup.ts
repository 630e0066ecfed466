import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Makes the Python environment of the peers, once before all of these tests. */
export function setup(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const made = spawnSync(process.execPath, ['scripts/peers-env.mjs'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
}

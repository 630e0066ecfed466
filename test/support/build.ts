import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Builds what the end-to-end tests run, once before all of them. */
export function setup(): void {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const build = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, encoding: 'utf8' });
  if (build.status !== 0) throw new Error(`The build failed.\n${build.stdout}${build.stderr}`);
}

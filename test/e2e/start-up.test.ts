import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';

const root = new URL('../..', import.meta.url);

/** The files of the installation that a command loaded. */
async function loadedBy(args: string[]): Promise<string[]> {
  const cwd = await sandbox({ 'reviewops.config.yaml': 'pipeline:\n  threads: 1\n' });
  const records = join(cwd, 'loaded');
  // V8 writes down every module when the process ends.
  const run = await runCli(args, { cwd, env: { NODE_V8_COVERAGE: records } });
  expect(run.code, run.stderr).toBe(0);
  const names = await readdir(records);
  const texts = await Promise.all(names.map((name) => readFile(join(records, name), 'utf8')));
  return texts
    .flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result)
    .filter(({ url }) => url.startsWith(root.href))
    .map(({ url }) => url.slice(root.href.length));
}

test.each([['config', 'show'], ['runbook', 'list'], ['incident', '--help'], ['incident']])(
  '%s %s loads the libraries from their bundles',
  async (...args) => {
    const loaded = await loadedBy(args);
    expect(loaded).toContain('dist/cli/main.js');
    expect(loaded.filter((file) => file.startsWith('node_modules/'))).toEqual([]);
    expect(loaded).toContain('dist/vendor/oclif-core.js');
  },
);

test('commands are loaded from what was built, whichever Node and NODE_ENV built it', async () => {
  const manifest = await readFile(new URL('oclif.manifest.json', root), 'utf8');
  const { commands } = JSON.parse(manifest) as {
    commands: Record<string, { relativePath: string[] }>;
  };
  const tops = new Set(Object.values(commands).map(({ relativePath }) => relativePath[0]));
  expect([...tops]).toEqual(['dist']);
});

test('the licences of what is bundled lie beside it', async () => {
  const text = await readFile(new URL('dist/vendor/LICENSES.txt', root), 'utf8');
  for (const name of [
    '@duckdb/node-api',
    '@oclif/core',
    'ejs',
    'ink',
    'pg-protocol',
    'react',
    'semver',
    'yaml',
    'zod',
  ])
    expect(text).toMatch(
      new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\S* \\(.*(MIT|ISC|Apache-2.0)\\)\n\n.+`, 'm'),
    );
  const bundled = await readdir(fileURLToPath(new URL('dist/vendor', root)));
  expect(bundled).toContain('zod.js');
});

import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { catalogue } from '../../src/runbooks/index.js';

const directory = fileURLToPath(new URL('../../src/runbooks/', import.meta.url));

it('branches lead to runbooks that exist', async () => {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.ts'));
  const known = new Set(catalogue.map(({ id }) => id));
  const links: string[] = [];
  for (const file of files) {
    const text = await readFile(`${directory}${file}`, 'utf8');
    for (const [, id = ''] of text.matchAll(/(?:runbook: |next\()'([a-z0-9-]+)'/g)) {
      links.push(id);
      expect(known, `${file} leads to ${id}`).toContain(id);
    }
  }
  expect(links.length).toBeGreaterThan(20);
});

it('no command that is shown holds a place for a secret', async () => {
  for (const entry of catalogue) {
    const { steps, inputs } = await entry.load();
    const input = inputs.safeParse({}).data ?? {};
    for (const { id, manual } of steps) {
      expect(manual(input), `${entry.id} ${id}`).not.toMatch(
        /password=|:[^ /]+@|SECRET(_\w+)?=|\bSECRET\b/,
      );
    }
  }
});

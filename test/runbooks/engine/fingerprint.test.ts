import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { definitionHash } from '../../../src/runbooks/engine/fingerprint.js';
import { sourceHash } from '../../../src/runbooks/engine/source-code.js';
import { catalogue, loadAll } from '../../../src/runbooks/index.js';
import { nobody, runbookWorld } from '../../support/runbooks.js';
import { makeFiles, sample } from './sample.js';

describe('the source of a runbook', () => {
  let root: string;
  let count = 0;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'reviewops-source-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const files = {
    'runbooks/some.ts':
      "import { x } from './support/near.js';\nexport { far } from '../diagnosis/far.js';",
    'runbooks/support/near.ts': "const later = () => import('../../maintenance/later.js');",
    'runbooks/support/stranger.ts': 'nobody imports it',
    'runbooks/engine/run.ts': 'counts by the version',
    'diagnosis/far.ts': "import '../runbooks/engine/run.js';\nimport '../lake/lake.js';",
    'maintenance/later.ts': 'deletes',
    'lake/lake.ts': 'counts by the version',
  };

  /** Of a copy of these files in which one is another. */
  async function hashWith(changed?: keyof typeof files): Promise<string> {
    count += 1;
    const directory = join(root, `${count}`);
    for (const [name, text] of Object.entries(files)) {
      const path = join(directory, name);
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(path, name === changed ? `${text} // edited` : text);
    }
    return sourceHash(pathToFileURL(join(directory, 'runbooks/some.ts')).href);
  }

  it('is the same wherever it lies', async () => {
    expect(await hashWith()).toBe(await hashWith());
  });

  it.each([
    'runbooks/some.ts',
    'runbooks/support/near.ts',
    'diagnosis/far.ts',
    'maintenance/later.ts',
  ] as const)('is another one when %s was edited', async (name) => {
    expect(await hashWith(name)).not.toBe(await hashWith());
  });

  it.each(['runbooks/support/stranger.ts', 'runbooks/engine/run.ts', 'lake/lake.ts'] as const)(
    'leaves %s to the version of the tool',
    async (name) => {
      expect(await hashWith(name)).toBe(await hashWith());
    },
  );
});

it('every built-in runbook answers for its module', async () => {
  for (const { id, module } of await loadAll(catalogue)) {
    expect(module, id).toMatch(new RegExp(`/runbooks/${id}\\.[jt]s$`));
  }
});

it('an updated tool runs no position of the one before (a helper may be another)', async () => {
  const world = await runbookWorld({ database: false });
  try {
    expect(definitionHash(sample, '1.0.0')).not.toBe(definitionHash(sample, '1.0.1'));
    const directory = join(world.root, 'files');
    await makeFiles(directory, ['a.old']);
    const { report } = await world.run(sample, { directory }, { ask: nobody });
    world.services.tool = { name: 'reviewops', version: '9.9.9' };
    await expect(world.resume(sample, report.runId)).rejects.toMatchObject({
      code: 'RUNBOOK_EDITED',
      exitCode: 3,
      message: expect.stringContaining('reviewops 0.0.0-test then, 9.9.9 now'),
    });
  } finally {
    await world.dispose();
  }
});

import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { writeSentiment } from '../../src/pipeline/sentiment.js';
import { makeStageWorld, type StageWorld } from '../support/stage.js';

let world: StageWorld;
afterEach(() => world.dispose());

it.skipIf(!existsSync('/dev/full'))(
  'names a disk that is full while it scores (needs /dev/full)',
  async () => {
    world = await makeStageWorld();
    const { context, engine } = world;
    await symlink('/dev/full', join(context.scratch, 'sentiment.csv'));
    await engine.run(
      "CREATE TABLE silver_review AS SELECT 'R' || range AS review_id, 'A good one' AS body FROM range(5000)",
    );
    await expect(writeSentiment(engine, context, context.scratch)).rejects.toMatchObject({
      name: 'OperatorError',
      code: 'DISK_FULL',
    });
  },
);

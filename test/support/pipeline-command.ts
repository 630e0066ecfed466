import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import type { DatabaseClient } from '../../src/database/client.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { type CliOptions, runCli } from './cli.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { type Hold, holdTable } from './hold.js';
import { sandbox } from './sandbox.js';
import { insertReviews } from './world.js';

export interface RunResult {
  batchId: string;
  status: string;
  stages: { stage: string; rowsIn: number; rowsOut: number; rejected: number }[];
}

export const batchId = '20260102_030405';
export const reviews = 2_000;
export const published = reviews - reviews / 20 - reviews / 25 + reviews / 100;

/** A database with reviews and, for each test, a directory of its own to run the command in. */
export class PipelineCommand {
  #database!: TestDatabase;
  client!: DatabaseClient;
  directory!: string;

  constructor() {
    beforeAll(async () => {
      this.#database = await createTestDatabase();
      this.client = await this.#database.client();
      await insertReviews(this.client, reviews);
    });
    afterAll(() => this.#database.drop());
    beforeEach(async () => {
      this.directory = await sandbox();
    });
    afterEach(async () => {
      await this.client.execute('TRUNCATE amazon.fact_reviews, maintenance.fact_loads');
    });
  }

  get target(): DatabaseTarget {
    return this.#database.target;
  }

  options(): CliOptions & { cwd: string } {
    return { cwd: this.directory, env: { NEON_DB_URL: this.target.url } };
  }

  run(...args: string[]) {
    return runCli([...args, '--json'], this.options());
  }

  async facts(): Promise<number> {
    const [row] = await this.client.query<{ n: string }>(
      'SELECT count(*) AS n FROM amazon.fact_reviews',
    );
    return Number(row?.n);
  }

  /** Lets no load come to its end until it is released. */
  holdFacts(): Promise<Hold> {
    return holdTable(this.#database, 'amazon.fact_reviews');
  }

  /** Lets no extract read the reviews until it is released. */
  holdReviews(): Promise<Hold> {
    return holdTable(this.#database, 'amazon.review', 'ACCESS EXCLUSIVE');
  }

  file(layer: string, name: string): string {
    return join(this.directory, '.reviewops', 'data', layer, `batch=${batchId}`, name);
  }

  /** Resolves once the log of the run says that the stage has begun. */
  async begun(stage: string): Promise<void> {
    await vi.waitFor(
      async () => {
        const logs = join(this.directory, '.reviewops', 'logs');
        const names = await readdir(logs);
        const texts = await Promise.all(names.map((name) => readFile(join(logs, name), 'utf8')));
        expect(texts.join('')).toMatch(new RegExp(`"logger":"${stage}".*stage started`));
      },
      { timeout: 20_000, interval: 2 },
    );
  }

  /** Runs the batch to its end; all of it is published and whole then. */
  async complete(): Promise<void> {
    const { code, json } = await this.run('pipeline', 'run', '--batch-id', batchId);
    expect(code).toBe(0);
    expect(json<RunResult>().result.stages.at(-1)?.rowsOut).toBe(published);
    expect(await this.facts()).toBe(published);
    const verified = await this.run('batch', 'verify', batchId);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('"complete"')]);
  }
}

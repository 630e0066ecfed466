import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HealthReport } from '../../src/health/runner.js';
import { type CliOptions, runCli, startCli } from '../support/cli.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { insertReviews } from '../support/world.js';

let database: TestDatabase;
let cwd: string;
let options: CliOptions & { cwd: string };
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const client = await database.client();
  await insertReviews(client, 500);
  await client.execute("UPDATE amazon.review SET rating = 3, body = 'A text of some length.'");
  cwd = await mkdtemp(join(tmpdir(), 'reviewops-health-'));
  const url = new URL(database.target.url);
  options = { cwd, env: { NEON_DB_URL: url.href } };
  const { code, stderr } = await runCli(['pipeline', 'run', '--quiet'], options);
  expect({ code, stderr }).toMatchObject({ code: 0 });
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await database.drop();
  await rm(cwd, { recursive: true, force: true });
});

/** `env` is added to what the healthy system has. */
const health = (args: string[] = [], { env = {} }: CliOptions = {}) =>
  runCli(['health', ...args], { ...options, env: { ...options.env, ...env } });

describe('a healthy system', () => {
  it('is ok, with status 0, in every format', async () => {
    const { code, json } = await health(['--json']);
    const { result, status } = json<HealthReport>();
    const bad = result.checks.filter(({ state }) => state !== 'ok' && state !== 'skipped');
    expect(bad).toEqual([]);
    expect({ code, status, state: result.state }).toEqual({ code: 0, status: 0, state: 'ok' });
    expect(result.checks.length).toBeGreaterThanOrEqual(25);
    expect(result.checks[0]).toEqual({
      name: 'database',
      title: 'Database reachable',
      group: 'database',
      state: 'ok',
      summary: expect.stringContaining('answers in'),
      value: expect.any(Number),
      unit: 'seconds',
      threshold: { warning: 0.2, critical: 1 },
      seconds: expect.any(Number),
      runbook: null,
      next: null,
      evidence: expect.any(Object),
    });
    for (const [format, start] of [
      ['text', /^state +check +found\n/],
      ['junit', /^<\?xml version="1.0"/],
      ['prometheus', /^# HELP reviewops_info /],
      ['nagios', /^REVIEWOPS OK - \d+ checks passed, \d+ skipped \| 'database'=/],
    ] as const) {
      const report = await health(['--format', format]);
      expect({ code: report.code, stderr: report.stderr }).toEqual({ code: 0, stderr: '' });
      expect(report.stdout).toMatch(start);
    }
  });

  it('is looked at within a second, start-up included', async () => {
    // The quickest of some: the machine of the tests has other things to do.
    let quickest = Number.POSITIVE_INFINITY;
    for (let look = 0; look < 20 && quickest >= 1000; look += 1) {
      quickest = Math.min(quickest, (await health()).milliseconds);
    }
    expect(quickest).toBeLessThan(1000);
  });

  it('is looked at in part', async () => {
    const { code, json } = await health(['--check', 'gold', 'lake-space', '--json']);
    expect(code).toBe(0);
    expect(json<HealthReport>().result.checks.map(({ name }) => name)).toEqual([
      'lake-space',
      'gold',
    ]);
  });
});

describe('the status', () => {
  const tight = (warning: number | null, critical: number | null) => ({
    env: {
      REVIEWOPS_HEALTH_DISK_PERCENT_WARNING: String(warning),
      REVIEWOPS_HEALTH_DISK_PERCENT_CRITICAL: String(critical),
    },
  });

  it.each([
    [['--check', 'disk'], tight(0, null), 1],
    [['--check', 'disk', '--fail-on', 'critical'], tight(0, null), 0],
    [['--check', 'disk', '--fail-on', 'critical'], tight(0, 0), 2],
    [['--check', 'disk', '--fail-on', 'warning'], tight(null, 0), 2],
  ])('%s: %#', async (args, more, status) => {
    const [text, json] = await Promise.all([health(args, more), health([...args, '--json'], more)]);
    expect([text.code, json.code, json.json().status]).toEqual([status, status, status]);
  });

  it.each([
    [['--nothing']],
    [['--format', 'yaml']],
    [['--check', 'glod']],
    [['30']],
    [['--watch', '--list']],
    [['--every', '5']],
    [['--config', 'missing.yaml']],
  ])('is 3 for the wrong usage %s, with --json too', async (args) => {
    const [text, json] = await Promise.all([health(args), health([...args, '--json'])]);
    expect([text.code, json.code, json.json().status]).toEqual([3, 3, 3]);
    expect(text.stdout).toBe('');
    expect(json.json().error.hint).toEqual(expect.any(String));
  });

  it('is 3 where something is unknown and nothing worse is known', async () => {
    const more = { env: { REVIEWOPS_LAKE_KIND: 's3' } };
    const { code } = await health(['--check', 'access-key-age', 'disk'], more);
    expect(code).toBe(3);
    const ignoring = await health(['--check', 'access-key-age', '--fail-on', 'critical'], more);
    expect(ignoring.code).toBe(3);
  });
});

describe('a broken system', () => {
  it('names the runbook that cures it, as a command', async () => {
    const list = await runCli(['batch', 'list', '--json'], options);
    const batchId = list.json<{ batches: { batchId: string }[] }>().result.batches[0]?.batchId;
    const gold = join(cwd, '.reviewops', 'data', 'gold', `batch=${batchId}`);
    await rename(gold, join(cwd, 'kept'));
    const { code, stdout } = await health();
    await rename(join(cwd, 'kept'), gold);
    expect(code).toBe(2);
    expect(stdout).toContain(`reviewops runbook run gold-incomplete --input batchId=${batchId}`);
  });

  it('has no database: critical, the rest of it unknown, the lake still seen', async () => {
    const url = new URL(database.target.url);
    url.port = '1';
    const { code, json, stdout } = await health(['--json'], { env: { NEON_DB_URL: url.href } });
    expect(code).toBe(2);
    const { checks } = json<HealthReport>().result;
    const state = (name: string) => checks.find((check) => check.name === name)?.state;
    expect([state('database'), state('schema'), state('gold')]).toEqual([
      'critical',
      'unknown',
      'ok',
    ]);
    expect(stdout).not.toContain(url.password);
  });

  it('was never set up: nothing is made by looking', async () => {
    const { code, json } = await runCli(['health', '--json']);
    expect(code).toBe(2);
    expect(json<HealthReport>().result.checks[0]).toMatchObject({
      state: 'critical',
      next: expect.stringContaining('reviewops db init'),
    });
  });
});

describe('--no-wake', () => {
  it('makes no connection (pgbackweb#71)', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const url = `postgresql://app:kX9-secret@127.0.0.1:${port}/reviews`;
    const { code, json } = await health(['--no-wake', '--json'], { env: { NEON_DB_URL: url } });
    const { checks, state } = json<HealthReport>().result;
    expect({ code, state, connections }).toEqual({ code: 0, state: 'ok', connections: 0 });
    expect(checks.find(({ name }) => name === 'schema')).toMatchObject({
      state: 'skipped',
      summary: expect.stringContaining('--no-wake'),
    });
    expect(checks.find(({ name }) => name === 'gold')?.state).toBe('ok');
  });

  it.each([
    [200, { current_state: 'idle', disabled: false }, 'ok'],
    [200, { current_state: 'active', disabled: false }, 'ok'],
    [200, { current_state: 'idle', disabled: true }, 'critical'],
    [401, {}, 'unknown'],
  ])('asks the control plane: %i %o is %s', async (status, endpoint, state) => {
    const asked: { url: string | undefined; key: string | undefined }[] = [];
    const server = createHttpServer((request, response) => {
      asked.push({ url: request.url, key: request.headers.authorization });
      const body = { endpoints: [{ id: 'ep-cool-name-1', host: 'ignored', ...endpoint }] };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { json, stdout } = await health(['--no-wake', '--check', 'database', '--json'], {
      env: {
        NEON_DB_URL:
          'postgresql://app:kX9-secret@ep-cool-name-1.eu-central-1.aws.neon.tech/db?sslmode=require',
        NEON_API_KEY: 'kX9-of-the-control-plane',
        REVIEWOPS_HEALTH_NEON_PROJECT: 'quiet-lake-1',
        REVIEWOPS_HEALTH_NEON_API: `http://127.0.0.1:${port}/api/v2`,
      },
    });
    expect(json<HealthReport>().result.checks[0]?.state).toBe(state);
    expect(asked).toEqual([
      {
        url: '/api/v2/projects/quiet-lake-1/endpoints',
        key: 'Bearer kX9-of-the-control-plane',
      },
    ]);
    expect(stdout).not.toContain('kX9');
  });
});

describe('--list', () => {
  it('names the checks and runs none', async () => {
    const { code, stdout } = await health(['--list']);
    expect(code).toBe(0);
    expect(stdout).toContain('lake-writable');
  });
});

describe('--watch', () => {
  it('looks again and again until Ctrl-C', async () => {
    const running = startCli(['health', '--check', 'gold', '--watch', '1'], options);
    await running.waitFor(/(gold[\s\S]*){4}/);
    running.child.kill('SIGINT');
    const { code, stdout } = await running.result;
    expect(code).toBe(130);
    expect(stdout.match(/^\d{4}-.*Z$/gm)?.length).toBeGreaterThanOrEqual(2);
  });
});

describe('the example for cron', () => {
  const script = fileURLToPath(
    new URL('../../examples/monitoring/health-cron.sh', import.meta.url),
  );
  const launcher = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

  it('writes metrics, and speaks when the state changes', async () => {
    const place = await mkdtemp(join(tmpdir(), 'reviewops-cron-'));
    closing.push(() => rm(place, { recursive: true, force: true }));
    await mkdir(join(place, 'bin'));
    const program = join(place, 'bin', 'reviewops');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n`);
    await chmod(program, 0o755);
    const run = (env: Record<string, string> = {}) =>
      new Promise<{ code: number | null; stdout: string }>((resolve) => {
        const child = spawn('sh', [script], {
          cwd,
          env: {
            ...options.env,
            ...env,
            PATH: `${join(place, 'bin')}:${process.env.PATH}`,
            HOME: place,
            METRICS: place,
            STATE: place,
          },
        });
        let stdout = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          stdout += chunk;
        });
        child.on('close', (code) => resolve({ code, stdout }));
      });
    expect(await run()).toEqual({ code: 0, stdout: '' });
    expect(await readFile(join(place, 'reviewops.prom'), 'utf8')).toContain(
      'reviewops_health_state{state="ok"} 1',
    );
    const full = { REVIEWOPS_HEALTH_DISK_PERCENT_CRITICAL: '0' };
    expect((await run(full)).stdout).toContain('purge-batches');
    expect((await run(full)).stdout).toBe('');
  });
});

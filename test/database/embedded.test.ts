import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { withClient } from '../../src/database/client.js';
import { serverAccount } from '../../src/database/embedded/account.js';
import { findBinaries } from '../../src/database/embedded/binaries.js';
import {
  embeddedStatus,
  ensureEmbedded,
  planReset,
  resetEmbedded,
  stopEmbedded,
} from '../../src/database/embedded/index.js';
import { placeBinaries } from '../../src/database/embedded/placement.js';
import { findLeftovers, isServerOf, until } from '../../src/database/embedded/process.js';
import {
  passwordFile,
  readPassword,
  readRecord,
  recordFile,
  type ServerRecord,
  writeRecord,
} from '../../src/database/embedded/record.js';
import { ping } from '../../src/database/ping.js';
import type { DatabaseTarget } from '../../src/database/target.js';
import { externalTarget } from '../../src/database/url.js';
import type { ProgressEvent } from '../../src/system/progress.js';
import { makeHome } from '../support/home.js';

const isRoot = process.getuid?.() === 0;
const openssl = spawnSync('openssl', ['version']).status === 0;
const signal = new AbortController().signal;

type Home = Awaited<ReturnType<typeof makeHome>>;
let place: Home;
let events: ProgressEvent[] = [];
beforeEach(() => {
  events = [];
});

/** One state directory for the tests of a suite: setting a server up is most of their time. */
const inOneHome = () => {
  beforeAll(async () => {
    place = await makeHome();
  });
  afterAll(() => place.remove());
};

/** A state directory of its own for each test of a suite. */
const inOwnHome = () => {
  beforeEach(async () => {
    place = await makeHome();
  });
  afterEach(() => place.remove());
};

const options = (port = 0) => ({
  home: place.home,
  config: configSchema.parse({ database: { port } }),
  signal,
  report: (event: ProgressEvent) => void events.push(event),
  now: () => new Date(),
});

const settings = configSchema.parse({}).database;
const ask = async <Row extends Record<string, unknown>>(target: DatabaseTarget, sql: string) =>
  withClient(target, { purpose: 'test', settings, signal }, (client) => client.query<Row>(sql));

const record = async (): Promise<ServerRecord> => {
  const found = await readRecord(place.home);
  if (found === undefined) throw new Error('There is no record.');
  return found;
};

const dataOf = async (): Promise<string> => join((await record()).instance, 'data');

const occupy = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });

const portOf = (target: DatabaseTarget): number => Number(new URL(target.url).port);

describe('the embedded server', () => {
  inOneHome();

  it('is set up, used, stopped, and started again with its data', async () => {
    const target = await ensureEmbedded(options());
    expect(target).toMatchObject({ kind: 'embedded', endpoint: 'loopback' });
    await ask(target, 'CREATE TABLE kept AS SELECT 1 AS id');
    const [server] = await ask(
      target,
      `SELECT current_setting('server_encoding') AS encoding, current_setting('wal_level') AS wal,
              current_setting('listen_addresses') AS addresses, current_setting('fsync') AS fsync,
              current_setting('unix_socket_directories') AS sockets, 'é' > 'z' AS bytewise,
              upper('é') AS upper, current_setting('TimeZone') AS zone`,
    );
    expect(server).toEqual({
      encoding: 'UTF8',
      wal: 'minimal',
      addresses: '127.0.0.1',
      fsync: 'on',
      sockets: '',
      bytewise: true,
      upper: 'É',
      zone: 'UTC',
    });

    const status = await embeddedStatus(options());
    expect(status).toMatchObject({
      running: true,
      state: 'ready',
      port: portOf(target),
      version: expect.stringMatching(/^18\./),
      url: `postgresql://reviewops@127.0.0.1:${portOf(target)}/reviewops`,
      passwordFile: passwordFile(place.home),
    });
    expect(status.sizeBytes).toBeGreaterThan(20_000_000);
    expect(Date.now() - Date.parse(status.startedAt ?? '')).toBeLessThan(60_000);

    expect(await stopEmbedded(options())).toEqual({ stopped: true, pid: status.pid });
    expect(await stopEmbedded(options())).toEqual({ stopped: false, pid: null });
    expect(await embeddedStatus(options())).toMatchObject({ running: false, state: 'stopped' });

    const again = await ensureEmbedded(options());
    expect(again).toEqual(target);
    expect(await ask(again, 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
  });

  it.runIf(isRoot)(
    'runs as another user than root, out of its reach if need be (needs root)',
    async () => {
      await ensureEmbedded(options());
      const { pid, runAs, dataDirectory, logFile } = await embeddedStatus(options());
      expect(runAs).toMatch(/^(postgres|nobody)$/);
      const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      expect(Number(uid)).toBeGreaterThan(0);
      for (const path of [dataDirectory ?? '', logFile ?? '']) {
        expect(statSync(path).uid).toBe(Number(uid));
      }
      expect(statSync(dataDirectory ?? '').mode & 0o777).toBe(0o700);
      // The state directory is in one of mode 700, and stays so.
      expect(statSync(place.parent).mode & 0o777).toBe(0o700);
      expect(dataDirectory?.startsWith(place.home)).toBe(false);
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/NODE|HOME|VITEST/);
    },
  );

  it('keeps its password in one file that only the owner reads', async () => {
    const target = await ensureEmbedded(options());
    const password = (await readPassword(place.home)) ?? '';
    expect(password.length).toBeGreaterThanOrEqual(24);
    expect(target.url).toContain(password);
    expect(statSync(passwordFile(place.home)).mode & 0o777).toBe(0o600);
    const { logFile } = await embeddedStatus(options());
    const texts = [
      JSON.stringify(await embeddedStatus(options())),
      JSON.stringify(events),
      target.description,
      await readFile(recordFile(place.home), 'utf8'),
      await readFile(logFile ?? '', 'utf8'),
    ];
    for (const text of texts) expect(text).not.toContain(password);
    // Another password is refused; nothing else lets in.
    const wrong = externalTarget(target.url.replace(password, 'kX9-wrong'));
    await expect(ask(wrong, 'SELECT 1')).rejects.toMatchObject({
      code: 'DATABASE_PASSWORD_REJECTED',
    });
  });

  it('keeps statements and values out of its log', async () => {
    const target = await ensureEmbedded(options());
    const secret = 'geheim-4711';
    await expect(ask(target, `SELECT '${secret}'::integer`)).rejects.toThrow();
    await expect(ask(target, `ALTER ROLE nobody_here PASSWORD '${secret}'`)).rejects.toThrow();
    await stopEmbedded(options());
    const { logFile } = await embeddedStatus(options());
    const log = await readFile(logFile ?? '', 'utf8');
    expect(log).toContain('database system is shut down');
    expect(log).not.toContain(secret);
  });

  it.runIf(openssl)('speaks TLS, checked and bound as the URL asks (needs openssl)', async () => {
    const embedded = await ensureEmbedded(options());
    const data = await dataOf();
    const [key, certificate] = [join(data, 'server.key'), join(data, 'server.crt')];
    const subject = ['-subj', '/CN=reviews.test', '-addext', 'subjectAltName=DNS:reviews.test'];
    const made = spawnSync(
      'openssl',
      ['req', '-x509', '-nodes', '-newkey', 'rsa:2048', '-keyout', key, '-out', certificate].concat(
        subject,
      ),
    );
    expect(made.status).toBe(0);
    const { uid, gid } = statSync(data);
    for (const path of [key, certificate]) chownSync(path, uid, gid);
    await ask(embedded, `ALTER SYSTEM SET ssl = on`);
    await ask(embedded, 'SELECT pg_reload_conf()');
    const at = (query: string, host = '127.0.0.1') => {
      const url = new URL(embedded.url);
      url.hostname = host;
      url.search = query;
      return ping(externalTarget(url.href), options().config, { signal } as never);
    };
    const authority = `sslrootcert=${encodeURIComponent(certificate)}`;
    expect((await at('sslmode=require&channel_binding=require')).tls).toEqual({
      on: true,
      version: 'TLSv1.3',
      cipher: expect.any(String),
      verified: 'none',
    });
    expect((await at(`sslmode=verify-ca&${authority}`)).tls).toMatchObject({
      verified: 'authority',
    });
    for (const query of ['sslmode=verify-full', `sslmode=verify-full&${authority}`]) {
      await expect(at(query, 'localhost')).rejects.toMatchObject({
        code: 'DATABASE_CERTIFICATE_REJECTED',
        exitCode: 5,
      });
    }
    await expect(at('sslmode=disable&channel_binding=require')).rejects.toMatchObject({
      code: 'DATABASE_CHANNEL_BINDING',
    });
  });

  it('removes the server and its data, and says what', async () => {
    await ensureEmbedded(options());
    const { pid } = await embeddedStatus(options());
    const { instance, outside } = await record();
    const plan = await planReset(options());
    expect(plan).toMatchObject({ directory: instance });
    expect(await resetEmbedded(options())).toMatchObject({ directory: instance, stopped: true });
    for (const path of [instance, outside ?? instance, recordFile(place.home)]) {
      expect(existsSync(path)).toBe(false);
    }
    expect(existsSync(`/proc/${pid}/cwd`)).toBe(false);
    expect(await resetEmbedded(options())).toEqual({ directory: null, bytes: 0, stopped: false });
  });
});

describe('after a crash', () => {
  inOneHome();

  it('starts again, with what was committed, although a backend is still at work', async () => {
    const target = await ensureEmbedded(options());
    await ask(target, 'CREATE TABLE kept AS SELECT 1 AS id');
    const { pid } = await embeddedStatus(options());
    // A backend deep in a computation does not notice that its server is gone.
    const busy = ask(
      target,
      `DO $$ BEGIN FOR i IN 1..2000000000 LOOP NULL; END LOOP; END $$`,
    ).catch((error: unknown) => error);
    const data = await dataOf();
    while (
      (await ask(target, `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DO %'`)).length < 1
    );
    process.kill(pid ?? 0, 'SIGKILL');
    await until(async () => !(await isServerOf(pid ?? 0, data)), 5, signal);

    const again = await ensureEmbedded(options());

    expect(await ask(again, 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
    expect((await embeddedStatus(options())).pid).not.toBe(pid);
    expect(await busy).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    if (process.platform === 'linux') {
      expect(events).toContainEqual(
        expect.objectContaining({ message: expect.stringContaining('crashed') }),
      );
      expect(await findLeftovers(data)).not.toContain(pid);
    }
  });

  it('is not fooled by a pid file whose number another program got', async () => {
    await ensureEmbedded(options());
    const data = await dataOf();
    const pidFile = join(data, 'postmaster.pid');
    const written = await readFile(pidFile, 'utf8');
    await stopEmbedded(options());
    const stranger = spawn('sleep', ['60']);
    try {
      await writeFile(pidFile, written.replace(/^\d+/, String(stranger.pid)));
      const { uid, gid } = statSync(data);
      chownSync(pidFile, uid, gid);
      expect(await embeddedStatus(options())).toMatchObject({ running: false, pid: null });
      expect(await stopEmbedded(options())).toEqual({ stopped: false, pid: null });

      const target = await ensureEmbedded(options());

      expect(await ask(target, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(stranger.exitCode).toBeNull();
      expect(stranger.signalCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  it('starts over where setting up was cut short', async () => {
    await ensureEmbedded(options());
    await stopEmbedded(options());
    // As a kill in the middle of initdb leaves it: a staging directory, no instance.
    const found = await record();
    const staging = `${found.instance}.0123456789ab.tmp`;
    await rename(found.instance, staging);
    await rm(join(staging, 'data', 'PG_VERSION'));
    await writeRecord(place.home, { ...found, initialised: false });

    const target = await ensureEmbedded(options());

    expect(await ask(target, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(existsSync(staging)).toBe(false);
  });

  it('takes up an instance that was finished but not noted', async () => {
    const target = await ensureEmbedded(options());
    await ask(target, 'CREATE TABLE kept AS SELECT 1 AS id');
    await stopEmbedded(options());
    await writeRecord(place.home, { ...(await record()), initialised: false });
    expect(await ask(await ensureEmbedded(options()), 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
  });

  it.each([
    ['lost', undefined],
    ['emptied', ''],
    ['cut short', '{"format": 1, "inst'],
    ['another file', '{"format": 2}'],
  ])('finds the data again whose record is %s', async (_name, text) => {
    const target = await ensureEmbedded(options());
    await ask(target, 'CREATE TABLE IF NOT EXISTS found AS SELECT 1 AS id');
    const path = recordFile(place.home);
    await (text === undefined ? rm(path) : writeFile(path, text));

    expect(await embeddedStatus(options())).toMatchObject({ state: 'ready', port: portOf(target) });
    expect(await ensureEmbedded(options())).toEqual(target);
    expect(await stopEmbedded(options())).toMatchObject({ stopped: true });
    expect(await ask(await ensureEmbedded(options()), 'SELECT id FROM found')).toEqual([{ id: 1 }]);
  });

  it('is reset without its record, and says so when neither is there', async () => {
    await ensureEmbedded(options());
    const { instance } = await record();
    await writeFile(recordFile(place.home), 'x');
    expect(await resetEmbedded(options())).toMatchObject({ directory: instance, stopped: true });
    expect(existsSync(instance)).toBe(false);

    await writeFile(recordFile(place.home), 'x');
    await expect(resetEmbedded(options())).rejects.toMatchObject({
      code: 'SERVER_RECORD_DAMAGED',
      hint: expect.stringContaining('remove the file'),
    });
    await rm(recordFile(place.home));
  });

  it.runIf(isRoot)('believes no directory that others can write (as root only)', async () => {
    await ensureEmbedded(options());
    const { instance } = await record();
    await stopEmbedded(options());
    const foreign = mkdtempSync(join(tmpdir(), 'reviewops-'));
    try {
      await writeFile(join(foreign, 'state-directory'), `${place.home}\n`);
      await mkdir(join(foreign, 'instance'));
      chmodSync(foreign, 0o777);
      await rename(instance, `${instance}.away`);
      await rm(recordFile(place.home));
      expect(await readRecord(place.home)).toBeUndefined();
      chmodSync(foreign, 0o755);
      expect(await readRecord(place.home)).toMatchObject({ outside: foreign });
    } finally {
      await rename(`${instance}.away`, instance);
      await rm(foreign, { recursive: true });
    }
  });

  it('begins anew where the state directory was deleted and made again', async () => {
    const target = await ensureEmbedded(options());
    await ask(target, 'CREATE TABLE gone AS SELECT 1 AS id');
    await stopEmbedded(options());
    const { outside } = await record();
    await rm(place.home, { recursive: true });

    const again = await ensureEmbedded(options());

    expect(await ask(again, `SELECT to_regclass('gone') AS gone`)).toEqual([{ gone: null }]);
    if (outside !== undefined) await rm(outside, { recursive: true });
  });

  it('finishes a reset that was cut short, and starts afresh', async () => {
    const target = await ensureEmbedded(options());
    await ask(target, 'CREATE TABLE gone AS SELECT 1 AS id');
    await stopEmbedded(options());
    const before = await record();
    await writeRecord(place.home, { ...before, removing: true });
    await rm(join(before.instance, 'data', 'base'), { recursive: true });

    const again = await ensureEmbedded(options());

    expect(await ask(again, `SELECT to_regclass('gone') AS gone`)).toEqual([{ gone: null }]);
    expect(again.url).not.toBe(target.url);
  });

  it('takes the lock of a starter that died', async () => {
    await stopEmbedded(options());
    const child = spawnSync(process.execPath, ['-e', '']);
    const { thisProcess } = await import('../../src/system/owner.js');
    const dead = { token: 'dead', owner: { ...thisProcess(), pid: child.pid, startedAt: '1' } };
    await writeFile(join(place.home, 'postgres', 'lock'), JSON.stringify(dead));
    await ensureEmbedded(options());
    expect(readdirSync(join(place.home, 'postgres')).filter((name) => /lock/.test(name))).toEqual(
      [],
    );
  });
});

describe('what cannot be started', () => {
  inOneHome();
  afterEach(() => stopEmbedded(options()));

  it('names a configured port that is taken, and changes nothing', async () => {
    const server = await occupy(0);
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await expect(ensureEmbedded(options(port))).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(String(port)),
      hint: expect.stringContaining('database.port'),
    });
    server.close();
    expect(portOf(await ensureEmbedded(options(port)))).toBe(port);
  });

  it('moves on from a port that it chose itself', async () => {
    const first = portOf(await ensureEmbedded(options()));
    await stopEmbedded(options());
    const server = await occupy(first);
    const second = portOf(await ensureEmbedded(options()));
    server.close();
    expect(second).not.toBe(first);
    await stopEmbedded(options());
    expect(portOf(await ensureEmbedded(options()))).toBe(second);
  });

  it('refuses data of another major version', async () => {
    await ensureEmbedded(options());
    await stopEmbedded(options());
    const file = join(await dataOf(), 'PG_VERSION');
    const written = await readFile(file, 'utf8');
    await writeFile(file, '15\n');
    await expect(ensureEmbedded(options())).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_VERSION',
      message: expect.stringMatching(/PostgreSQL 15.*18/),
    });
    await writeFile(file, written);
  });

  it('does not pass an empty database off as data that is gone', async () => {
    await ensureEmbedded(options());
    await stopEmbedded(options());
    const { instance } = await record();
    await rename(instance, `${instance}.aside`);
    await expect(ensureEmbedded(options())).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_MISSING',
      hint: expect.stringContaining('local reset'),
    });
    await rename(`${instance}.aside`, instance);
  });

  it('shows what the server says when it does not start', async () => {
    await ensureEmbedded(options());
    await stopEmbedded(options());
    const data = await dataOf();
    await writeFile(join(data, 'postgresql.auto.conf'), "shared_buffers = 'nonsense'\n");
    const password = await readPassword(place.home);
    const error: unknown = await ensureEmbedded(options()).catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      code: 'EMBEDDED_START_FAILED',
      exitCode: 1,
      message: expect.stringContaining('invalid value for parameter "shared_buffers"'),
    });
    expect(String(error)).not.toContain(password);
    await writeFile(join(data, 'postgresql.auto.conf'), '');
  });
});

describe('the programs', () => {
  inOneHome();

  it.runIf(isRoot)(
    'are copied out of a directory the server’s user cannot enter (needs root)',
    async () => {
      const installed = await findBinaries();
      const closed = join(place.parent, 'package', 'native');
      await mkdir(dirname(closed), { recursive: true });
      // As npm leaves the package when it may not run install scripts: without the links.
      await cp(installed.root, closed, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !/\.so(\.60|\.5|\.6|\.3)?$/.test(path) || !isLink(installed.root, path),
      });
      const release = `${installed.release}-test`;
      await mkdir(join(place.home, 'postgres'), { recursive: true });
      const found: ServerRecord = {
        format: 1,
        instance: join(place.home, 'postgres', 'instance'),
        account: (await serverAccount(place.home)) ?? null,
        port: 0,
        version: '',
        initialised: false,
      };
      const first = await placeBinaries({ root: closed, release }, found, place.home, signal);
      try {
        expect(first.root.startsWith(place.parent)).toBe(false);
        expect(first.version).toMatch(/^18\./);
        expect(statSync(join(first.root, 'bin', 'postgres')).mode & 0o022).toBe(0);
        // A copy that a power cut shortened is made anew.
        await writeFile(join(first.root, 'bin', 'initdb'), '');
        await placeBinaries({ root: closed, release }, found, place.home, signal);
        expect(statSync(join(first.root, 'bin', 'initdb')).size).toBeGreaterThan(100_000);
      } finally {
        await rm(first.root, { recursive: true });
      }
    },
  );
});

const isLink = (root: string, path: string): boolean =>
  readFileSync(join(root, 'pg-symlinks.json'), 'utf8').includes(`lib/${basename(path)}"`) &&
  /"target":"native\/lib\/([^"]+)"/g.test(`"target":"native/lib/${basename(path)}"`);

describe('a state directory', () => {
  inOwnHome();

  it.runIf(isRoot)('runs as the owner of the state directory (needs root)', async () => {
    const daemon = /^daemon:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
    const [uid, gid] = [Number(daemon?.[1]), Number(daemon?.[2])];
    await mkdir(place.home);
    chownSync(place.home, uid, gid);
    await ensureEmbedded(options());
    expect(await embeddedStatus(options())).toMatchObject({ runAs: 'daemon' });
    // What root made in somebody's directory belongs to that person.
    for (const path of [passwordFile(place.home), recordFile(place.home)]) {
      expect(statSync(path).uid).toBe(uid);
    }
  });

  it('can be interrupted while it is set up, and leaves nothing behind', async () => {
    const stop = new AbortController();
    const report = () => stop.abort();
    await expect(
      ensureEmbedded({ ...options(), report, signal: stop.signal }),
    ).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const { instance } = await record();
    const names = readdirSync(dirname(instance)).filter((name) =>
      name.startsWith(basename(instance)),
    );
    expect(names).toEqual([]);
    expect(await ask(await ensureEmbedded(options()), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it.runIf(isRoot)(
    'comes by itself to servers of temporary directories that are gone (needs root)',
    async () => {
      await ensureEmbedded(options());
      const { outside } = await record();
      const { pid } = await embeddedStatus(options());
      await rm(place.parent, { recursive: true });
      const other = await makeHome();
      try {
        await ensureEmbedded({ ...options(), home: other.home });
        expect(existsSync(outside ?? '')).toBe(false);
        expect(existsSync(`/proc/${pid}/cwd`)).toBe(false);
      } finally {
        await other.remove();
      }
    },
  );
});

/** A small disk; only root may mount one, and not in every container. */
const mountSmallDisk = (directory: string, size = '30m'): boolean =>
  isRoot &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]).status === 0;
const unmount = (directory: string) => spawnSync('umount', ['-l', directory]);

const canMount = (): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'reviewops-mount-'));
  const can = mountSmallDisk(directory);
  unmount(directory);
  rmdirSync(directory);
  return can;
};

describe.runIf(canMount())('a full disk (needs the right to mount)', () => {
  inOneHome();

  it('is named, and leaves nothing half-made', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'reviewops-full-'));
    try {
      expect(mountSmallDisk(disk)).toBe(true);
      chmodSync(disk, 0o755);
      const home = join(disk, 'home');
      await expect(ensureEmbedded({ ...options(), home })).rejects.toMatchObject({
        code: 'DISK_FULL',
        exitCode: 1,
        // The line that says so, and none of the rest.
        message: expect.stringMatching(
          /^Setting .*: The disk is full \(.*\): .*No space left .*\.$/,
        ),
        hint: expect.stringContaining('--home'),
      });
      expect(readdirSync(join(home, 'postgres')).sort()).toEqual(['pgpass', 'server.json']);
      expect(await embeddedStatus({ home })).toMatchObject({ running: false });
    } finally {
      unmount(disk);
      rmdirSync(disk);
    }
  });

  it('does not keep a server from being stopped', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'reviewops-full-'));
    try {
      expect(mountSmallDisk(disk, '300m')).toBe(true);
      chmodSync(disk, 0o755);
      const home = join(disk, 'home');
      const target = await ensureEmbedded({ ...options(), home });
      await ask(target, 'CREATE TABLE kept AS SELECT 1 AS id; CHECKPOINT');
      const filler = join(disk, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096']);
      await expect(writeFile(join(home, 'more'), Buffer.alloc(8192))).rejects.toMatchObject({
        code: 'ENOSPC',
      });

      expect(await stopEmbedded({ ...options(), home })).toMatchObject({ stopped: true });

      await rm(filler);
      const again = await ensureEmbedded({ ...options(), home });
      expect(await ask(again, 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
      await stopEmbedded({ ...options(), home });
    } finally {
      unmount(disk);
      rmdirSync(disk);
    }
  });
});

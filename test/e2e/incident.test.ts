import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/cli.js';
import { makeHome } from '../support/home.js';
import { type HttpPeer, webhookPeer } from '../support/incident-peers.js';

/** The built program: something breaks, one ticket opens, is cured, closed and written up. */

interface Row {
  incidentId: number;
  severity: string;
  status: string;
  summary: string;
  respondBy: string | null;
  resolveBy: string | null;
  breached: boolean;
}

let home: Awaited<ReturnType<typeof makeHome>>;
let peer: HttpPeer;
let config: string;

beforeAll(async () => {
  [home, peer] = await Promise.all([makeHome(), webhookPeer()]);
  config = join(home.parent, 'reviewops.config.yaml');
  await writeFile(config, 'incidents:\n  channels:\n    - { name: hook, kind: webhook }\n');
  expect((await run('db', 'init')).code).toBe(0);
  expect((await run('db', 'import', '--sample', '200')).code).toBe(0);
  expect((await run('pipeline', 'run')).code).toBe(0);
}, 180_000);
afterAll(async () => {
  await peer.close();
  await home.remove();
});

const nowhere = { NEON_DB_URL: 'postgresql://u:some-password@127.0.0.1:1/x?sslmode=disable' };

const run = (...args: string[]) => runWith({}, ...args);
const runWith = (env: Record<string, string>, ...args: string[]) =>
  runCli(args, { cwd: home.parent, env: { REVIEWOPS_WEBHOOK_URL: peer.url, ...env } });

async function list(...args: string[]): Promise<Row[]> {
  const outcome = await run('incident', 'list', '--json', ...args);
  return outcome.json<{ incidents: Row[] }>().result.incidents;
}

const openAtOnce = (count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      run('incident', 'open', `at once ${index}`, '--severity', 'P4', '--json'),
    ),
  );

const spooled = () => readdir(join(home.home, 'incidents', 'spool')).catch(() => [] as string[]);

describe('gold that was lost', () => {
  it('opens exactly one ticket, notifies, is repaired by its runbook, closed with its checklist, and written up', async () => {
    const gold = join(home.home, 'data', 'gold');
    await rm(gold, { recursive: true });
    expect((await run('health')).code).toBe(2);
    expect((await run('health')).code).toBe(2);
    const [one, ...others] = await list();
    expect(others).toEqual([]);
    expect(one).toMatchObject({ severity: 'P2', status: 'open', breached: false });
    expect(peer.received).toHaveLength(1);
    const id = String(one?.incidentId);

    expect((await run('incident', 'ack', id)).code).toBe(0);
    const shown = await run('incident', 'show', id, '--json');
    const [detail] = shown.json<{
      incidents: { runbooks: { id: string; input: Record<string, string> }[] }[];
    }>().result.incidents;
    const [cure] = detail?.runbooks ?? [];
    const inputs = Object.entries(cure?.input ?? {}).flatMap((pair) => ['--input', pair.join('=')]);
    const cured = await run('runbook', 'run', cure?.id ?? '', ...inputs, '--yes', '--incident', id);
    expect(cured.code).toBe(0);
    await run('health');
    expect((await run('incident', 'close', id)).code).toBe(3);
    expect((await run('incident', 'resolve', id, '--root-cause', 'Removed by hand.')).code).toBe(0);
    const refused = await run('incident', 'close', id, '--checked', 'logs');
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('--checked symptom-gone');
    const checked = ['symptom-gone', 'quality-tests', 'no-new-alert', 'logs', 'communicated'];
    const closed = await run(
      'incident',
      'close',
      id,
      ...checked.flatMap((item) => ['--checked', item]),
    );
    expect(closed.code).toBe(0);
    expect(await list()).toEqual([]);

    const { markdown } = (await run('incident', 'postmortem', id, '--json')).json<{
      markdown: string;
    }>().result;
    expect(markdown).toContain(`reviewops runbook history run_`);
    expect(markdown).toContain('Removed by hand.');
    expect(markdown.match(/TO FILL IN/g)).toHaveLength(6);
    const report = await run('incident', 'report', '--json');
    expect(report.json<{ opened: number }>().result.opened).toBe(1);
  }, 180_000);
});

describe('a database that cannot be reached', () => {
  it('is one ticket, told of from here, delivered once it is back', async () => {
    peer.received.length = 0;
    expect((await runWith(nowhere, 'pipeline', 'run')).code).toBe(5);
    expect((await runWith(nowhere, 'health')).code).toBe(2);
    expect((await runWith(nowhere, 'incident', 'open', 'All is dark', '-s', 'P2')).code).toBe(0);
    const told = peer.received.length;
    // Support and data engineer for the P1, data engineer for the P2.
    expect(told).toBe(3);
    const text = await Promise.all(
      (await spooled()).map((name) =>
        readFile(join(home.home, 'incidents', 'spool', name), 'utf8'),
      ),
    );
    expect(text.join('')).not.toContain('some-password');
    const open = await list();
    expect(open.map(({ severity }) => severity)).toEqual(['P1', 'P2']);
    expect(await spooled()).toEqual([]);
    expect(peer.received.length).toBe(told);
    await run('incident', 'escalate', '--due');
    expect(peer.received.length).toBe(told);
  }, 180_000);
});

describe('a process that is killed', () => {
  it('at any moment loses no ticket that was put down, and doubles none', async () => {
    const titles: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const title = `killed ${round}`;
      titles.push(title);
      const { child, result } = startCli(['incident', 'open', title, '-s', 'P3'], {
        cwd: home.parent,
        env: { REVIEWOPS_WEBHOOK_URL: peer.url },
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), 150 + round * 90);
      await result.catch(() => undefined);
      clearTimeout(timer);
    }
    const waiting = await Promise.all(
      (await spooled())
        .filter((name) => name.endsWith('.json'))
        .map((name) => readFile(join(home.home, 'incidents', 'spool', name), 'utf8')),
    );
    const put = waiting.map((text) => /killed \d+/.exec(text)?.[0] ?? '');
    const found = (await list('--all')).map(({ summary }) => summary);
    for (const title of put) expect(found).toContain(title);
    for (const title of titles) {
      expect(found.filter((summary) => summary === title).length).toBeLessThanOrEqual(1);
    }
    await run('incident', 'escalate', '--due');
    const keys = peer.received.map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(keys.length);
  }, 180_000);
});

describe('many who report at once', () => {
  it('are each told the number of their incident, whoever delivered it', async () => {
    const outcomes = await openAtOnce(6);
    for (const [index, outcome] of outcomes.entries()) {
      const { incidents } = outcome.json<{ incidents: Row[] }>().result;
      expect(incidents).toMatchObject([{ summary: `at once ${index}`, severity: 'P4' }]);
    }
    expect((await list()).filter(({ summary }) => summary.startsWith('at once'))).toHaveLength(6);
    await expect.poll(spooled).toEqual([]);
  });
});

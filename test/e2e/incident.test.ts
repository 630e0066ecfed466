import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/cli.js';
import { makeHome } from '../support/home.js';
import {
  type HttpPeer,
  type MailPeer,
  mailPeer,
  pagerdutyPeer,
  slackPeer,
  webhookPeer,
} from '../support/incident-peers.js';

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

interface Written {
  markdown: string;
  postmortem: {
    runs: { runbook: string; state: string }[];
    commands: { command: string }[];
    pipelineRuns: { command: string; status: string }[];
    called: { contacts: string[] }[];
  };
}

let home: Awaited<ReturnType<typeof makeHome>>;
let peer: HttpPeer;
let mail: MailPeer;
let slack: HttpPeer;
let pager: Awaited<ReturnType<typeof pagerdutyPeer>>;
/** The state directory of somebody else, at another machine. */
let other: Awaited<ReturnType<typeof makeHome>>;

const pagerKey = 'pagerduty-key-of-32-characters-00';

beforeAll(async () => {
  [home, other] = await Promise.all([makeHome(), makeHome()]);
  [peer, mail, slack, pager] = await Promise.all([
    webhookPeer(),
    mailPeer(),
    slackPeer(),
    pagerdutyPeer(),
  ]);
  const config = {
    // A machine that is busy is not broken.
    health: { timeoutSeconds: 60 },
    incidents: {
      contacts: [
        { name: 'Ada', role: 'data-engineer', email: 'ada@example.com' },
        { name: 'Bob', role: 'admin', email: 'bob@example.com' },
      ],
      channels: [
        { name: 'hook', kind: 'webhook' },
        { name: 'chat', kind: 'slack' },
        { name: 'pager', kind: 'pagerduty', url: pager.url },
        {
          ...{ name: 'mail', kind: 'email', host: '127.0.0.1', port: mail.port },
          ...{ requireTls: false, user: 'reviewops', from: 'ops@example.com' },
        },
      ],
    },
  };
  for (const { parent } of [home, other]) {
    // YAML, too.
    await writeFile(join(parent, 'reviewops.config.yaml'), JSON.stringify(config));
  }
  expect((await run('db', 'init')).code).toBe(0);
  expect((await run('db', 'import', '--sample', '200')).code).toBe(0);
  expect((await run('pipeline', 'run')).code).toBe(0);
}, 180_000);
afterAll(async () => {
  await Promise.all([peer, mail, slack, pager].map((server) => server.close()));
  await Promise.all([home.remove(), other.remove()]);
});

const nowhere = { NEON_DB_URL: 'postgresql://u:some-password@127.0.0.1:1/x?sslmode=disable' };

const run = (...args: string[]) => runWith({}, ...args);
const runWith = (env: Record<string, string>, ...args: string[]) =>
  runCli(args, { cwd: home.parent, env: { ...channels(), ...env } });

const channels = () => ({
  REVIEWOPS_WEBHOOK_URL: peer.url,
  REVIEWOPS_SLACK_WEBHOOK_URL: `${slack.url}/services/T0/B0/secret`,
  REVIEWOPS_PAGERDUTY_KEY: pagerKey,
  REVIEWOPS_SMTP_PASSWORD: 'smtp-password',
});

/** What somebody does at another machine: the same database and lake, a state directory of its own. */
async function runElsewhere(...args: string[]) {
  const status = await run('local', 'status', '--json');
  const { url, passwordFile } = status.json<{ url: string; passwordFile: string }>().result;
  const database = new URL(url);
  database.password = (await readFile(passwordFile, 'utf8')).trim().split(':').at(-1) ?? '';
  const env = { ...channels(), NEON_DB_URL: `${database.href}?sslmode=disable` };
  const lake = { REVIEWOPS_LAKE_PATH: join(home.home, 'data') };
  return runCli(args, { cwd: other.parent, env: { ...env, ...lake } });
}

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
  it('opens exactly one ticket, notifies, escalates, is repaired by its runbook, closed with its checklist, and written up but for what only people know', async () => {
    const gold = join(home.home, 'data', 'gold');
    await rm(gold, { recursive: true });
    expect((await run('health')).code).toBe(2);
    expect((await run('health')).code).toBe(2);
    const [one, ...others] = await list();
    expect(others).toEqual([]);
    expect(one).toMatchObject({ severity: 'P2', status: 'open', breached: false });
    const id = String(one?.incidentId);
    const called = () => mail.mails.map(({ to }) => to.join());
    expect([peer, slack, pager].map(({ received }) => received.length)).toEqual([1, 1, 1]);
    expect(called()).toEqual(['ada@example.com']);

    // Nobody answers in time, which is short here: the next of the chain is called, once.
    const impatient = { REVIEWOPS_INCIDENTS_ACKNOWLEDGE_MINUTES: '0.001' };
    for (const calls of [1, 0]) {
      const escalated = await runWith(impatient, 'incident', 'escalate', '--due', '--json');
      expect(escalated.json().result).toMatchObject({ escalated: calls, calls });
    }
    expect(called()).toEqual(['ada@example.com', 'bob@example.com']);

    expect((await run('incident', 'ack', id)).code).toBe(0);
    expect([...pager.alerts.values()]).toEqual(['acknowledge']);
    const shown = await run('incident', 'show', id, '--json');
    const [detail] = shown.json<{
      incidents: { runbooks: { id: string; input: Record<string, string> }[] }[];
    }>().result.incidents;
    const [cure] = detail?.runbooks ?? [];
    const inputs = Object.entries(cure?.input ?? {}).flatMap((pair) => ['--input', pair.join('=')]);
    const wanted = [cure?.id ?? '', ...inputs, '--incident', id];
    const cured = await runElsewhere('runbook', 'run', ...wanted, '--yes');
    expect(cured.code, cured.stderr).toBe(0);
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

    // Written where the runbook did not run, and where it did: the same.
    const written = await Promise.all(
      [run, runElsewhere].map((at) => at('incident', 'postmortem', id, '--json')),
    );
    const [here, there] = written.map((outcome) => outcome.json<Written>().result);
    expect(here?.postmortem).toEqual(there?.postmortem);
    const { markdown = '', postmortem } = here ?? {};
    expect(postmortem?.runs.map(({ runbook, state }) => [runbook, state])).toEqual([
      [cure?.id, 'succeeded'],
    ]);
    const commands = postmortem?.commands.map(({ command }) => command) ?? [];
    expect(commands).toContain(`reviewops runbook run ${wanted.join(' ')}`);
    expect(commands).toContain(
      `reviewops pipeline run --batch-id ${cure?.input.batchId} --from model`,
    );
    expect(postmortem?.pipelineRuns.map(({ command, status }) => [command, status])).toContainEqual(
      ['run', 'succeeded'],
    );
    expect(postmortem?.called.map(({ contacts }) => contacts)).toEqual([['Ada'], ['Bob']]);
    expect(markdown).toContain('Removed by hand.');
    const open = markdown.split('\n## ').filter((part) => part.includes('TO FILL IN'));
    expect(open.map((part) => part.split('\n')[0])).toEqual([
      'Impact on users',
      'Impact on the business',
      'Corrective actions',
      'Preventive measures',
      'Action items',
      'Lessons',
    ]);
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
        env: channels(),
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), 150 + round * 90);
      await result.catch(() => undefined);
      clearTimeout(timer);
    }
    const waiting = await Promise.all(
      (await spooled()).map((name) =>
        readFile(join(home.home, 'incidents', 'spool', name), 'utf8'),
      ),
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
    // Nor is anything left of the processes that were killed before.
    expect(await readdir(join(home.home, 'incidents', '.tmp'))).toEqual([]);
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Runbook } from '../../../src/runbooks/engine/definition.js';
import { loadUserRunbooks } from '../../../src/runbooks/yaml/load.js';
import { parseRunbook } from '../../../src/runbooks/yaml/parse.js';
import { type RunbookWorld, runbookWorld } from '../../support/runbooks.js';
import { sandbox } from '../../support/sandbox.js';

const restart = `id: restart-worker
title: Restart the worker
summary: Restarts a worker that no longer answers.
symptoms: [worker does not answer]
roles: [data-engineer]
risk: change
inputs:
  file: { description: Where the worker lives }
  url: { description: Its health page }
targets: ["worker=\${input.file}"]
steps:
  - kind: check
    id: answers
    title: Does it answer?
    why: A worker that answers needs no restart.
    http: { url: "\${input.url}/health", headers: { authorization: "Bearer \${env.WORKER_TOKEN}" } }
    expect: { status: 200, matches: ready }
    otherwise: warning
  - kind: check
    id: rows
    title: Are there orders?
    why: Without any it idles.
    sql: SELECT count(*) FROM generate_series(1, $1::integer)
    values: ["3"]
    expect: { atLeast: 3 }
  - kind: plan
    id: plan
    title: What is restarted
    why: Only this one.
    targets:
      - type: worker
        name: "\${input.file}"
        action: restart
        state: { shell: [cat, "\${input.file}"] }
  - kind: approve
    id: approve
    title: Restart it?
    why: Its work begins anew.
    name: worker
    question: Restart \${input.file}?
  - kind: act
    id: restart
    title: Restart it
    why: That is the cure.
    shell: [sh, -c, 'echo "$STATE" > "$0"', "\${input.file}"]
    env: { STATE: running }
    verify: { shell: [cat, "\${input.file}"], expect: { equals: running } }
  - kind: manual
    id: tell
    title: Tell the team
    why: They waited for it.
    instruction: Tell them.
`;

const parse = (text: string): Runbook => {
  const { runbook, problems } = parseRunbook('restart.yaml', text);
  if (runbook === undefined) throw new Error(problems.join('\n'));
  return runbook;
};

describe('a runbook of one’s own', () => {
  let world: RunbookWorld;
  let url: string;
  const requests: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    requests.push(request.headers.authorization);
    response.end(`ready ${request.headers.authorization}`);
  });

  beforeAll(async () => {
    world = await runbookWorld();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    process.env.WORKER_TOKEN = 'worker-token-55';
  });
  afterAll(async () => {
    server.close();
    delete process.env.WORKER_TOKEN;
    await world.dispose();
  });

  it('runs shell, SQL and HTTP through the same engine', async () => {
    const file = join(world.root, 'it is; $(a) worker');
    await writeFile(file, 'dead\n');
    const { report, events } = await world.run(parse(restart), { file, url });
    expect(report.reason).toBeNull();
    expect(report.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'answers done',
      'rows done',
      'plan done',
      'approve done',
      'restart done',
      'tell done',
    ]);
    expect(report.plan?.targets[0]?.state).toEqual({ code: 0, text: 'dead' });
    expect(await readFile(file, 'utf8')).toBe('running\n');
    expect(requests).toEqual(['Bearer worker-token-55']);
    expect(JSON.stringify(events)).not.toContain('worker-token-55');
  });

  it('shows the summary that its plan was given; without one, how many targets', async () => {
    const two = `      - { type: worker, name: another, action: restart }\n`;
    const shown = async (text: string) => {
      const file = join(world.root, 'worker');
      await writeFile(file, 'dead\n');
      const { report } = await world.run(parse(text), { file, url }, { dryRun: true });
      return report.plan?.summary;
    };
    const before = '  - kind: approve';
    const given = restart.replace(
      'why: Only this one.',
      `why: Only these.\n    summary: Mind \${input.file}`,
    );
    expect(await shown(restart)).toBe('1 target.');
    expect(await shown(restart.replace(before, two + before))).toBe('2 targets.');
    expect(await shown(given.replace(before, two + before))).toBe(
      `Mind ${join(world.root, 'worker')}`,
    );
  });

  it('is refused when what it planned has changed, and when its file was edited', async () => {
    const file = join(world.root, 'worker');
    await writeFile(file, 'dead\n');
    const waits = await world.run(
      parse(restart),
      { file, url },
      { ask: async () => ({ type: 'later' }) },
    );
    const edited = parse(restart.replace('running }\n', 'killed }\n'));
    await expect(world.resume(edited, waits.report.runId)).rejects.toMatchObject({
      code: 'RUNBOOK_EDITED',
    });
    const changing = await world.run(
      parse(restart),
      { file, url },
      {
        ask: async () => {
          await writeFile(file, 'somebody was here\n');
          return { type: 'yes', by: 'ada', how: 'test' };
        },
      },
    );
    expect(changing.report).toMatchObject({ state: 'refused', error: { code: 'PLAN_CHANGED' } });
  });

  const looks = (...probes: string[]) => `id: looks
title: Looks
summary: Looks.
roles: [analyst]
risk: read
steps:
${probes
  .map(
    (probe, index) =>
      `  - { kind: check, id: look-${index + 1}, title: Look, why: To know., ${probe} }`,
  )
  .join('\n')}
`;

  it('is kept out of read-only mode where nothing holds its programs and requests to looking', async () => {
    const file = join(world.root, 'touched');
    const touch = `shell: [touch, "${file}"]`;
    const post = `http: { url: "${url}", method: POST }`;
    const harmless = [`sql: SELECT 1`, `http: { url: "${url}" }`];
    const readOnly = { readOnly: true };
    const sent = requests.length;
    for (const options of [readOnly, { ...readOnly, dryRun: true }]) {
      const unheld = parse(looks(...harmless, touch, post));
      await expect(world.run(unheld, {}, options)).rejects.toMatchObject({
        code: 'READ_ONLY_MODE',
        exitCode: 3,
        message: expect.stringContaining('look-3, look-4 of runbook looks'),
      });
    }
    await expect(world.run(parse(restart), { file, url }, { ...readOnly, dryRun: true }))
      .rejects //
      .toMatchObject({ code: 'READ_ONLY_MODE', message: expect.stringContaining('plan') });
    expect(requests).toHaveLength(sent);
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });

    const vouched = parse(
      looks(...harmless, 'shell: [echo, there], readOnly: true', `${post}, readOnly: true`),
    );
    expect((await world.run(vouched, {}, readOnly)).report.state).toBe('succeeded');
  });

  it.each([
    ['two statements', 'SET TRANSACTION READ WRITE; CREATE TABLE escaped (a int)'],
    ['a transaction ended', 'COMMIT; CREATE TABLE escaped (a int)'],
    [
      'a block that ends it',
      "DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); COMMIT; CREATE TABLE escaped (a int); END $$",
    ],
    ['a write', 'CREATE TABLE escaped (a int)'],
  ])('looks by statements that cannot write: %s', async (_, sql) => {
    const { report } = await world.run(parse(looks(`sql: ${JSON.stringify(sql)}`)), {});
    expect(report.exitCode).not.toBe(0);
    const there = "SELECT to_regclass('escaped') IS NULL";
    const after = await world.run(parse(looks(`sql: "${there}", expect: { equals: "true" }`)), {});
    expect(after.report).toMatchObject({ state: 'succeeded', exitCode: 0 });
  });

  it('says what is not as expected', async () => {
    const file = join(world.root, 'worker');
    await writeFile(file, 'dead\n');
    const { report } = await world.run(
      parse(restart.replace('status: 200', 'status: 204').replace('atLeast: 3', 'atMost: 2')),
      { file, url },
      { dryRun: true },
    );
    expect(report.steps.slice(0, 2)).toMatchObject([
      { finding: { state: 'warning', summary: expect.stringContaining('HTTP status 200') } },
      { finding: { state: 'critical', summary: 'Not at most 2: 3' } },
    ]);
  });
});

describe('what is wrong in a file', () => {
  const placeholder = (name: string) => `\${input.${name}}?`;
  it.each([
    ['id: restart-worker', 'id: Restart Worker', '1:5: id: lower-case words with hyphens'],
    ['risk: change', 'risk: some', '6:7: risk: '],
    ['    shell: [sh, -c', '    shel: [sh, -c', '45:5: steps.4: there is no key "shel" here'],
    ['    values: ["3"]', '    values: 3', '24:13: steps.1.values: '],
    [placeholder('file'), placeholder('fil'), 'there is no input "fil"'],
    ['    id: rows', '    id: answers', '12:3: two steps have the same id'],
    ['matches: ready', 'matches: "("', '17:37: steps.0.expect.matches: is no regular expression'],
    ['title: Restart the worker', 'title: "Restart', 'restart.yaml:'],
  ])('%s → %s', (right, wrong, message) => {
    const { runbook, problems } = parseRunbook('restart.yaml', restart.replace(right, wrong));
    expect(runbook).toBeUndefined();
    expect(problems.join('\n')).toContain(message);
    for (const problem of problems) expect(problem).toMatch(/^restart\.yaml:\d+:\d+: ./);
  });

  it('is told for all files at once; the others work', async () => {
    const directory = await sandbox({
      'good.yaml': restart,
      'bad.yaml': 'id: bad\n',
      'taken.yml': restart.replace('restart-worker', 'vacuum'),
      'twice.yaml': restart,
      'notes.txt': 'no runbook',
    });
    const { runbooks, problems } = await loadUserRunbooks(directory, new Set(['vacuum']));
    expect(runbooks.map(({ id }) => id)).toEqual(['restart-worker']);
    expect(problems.join('\n')).toMatch(/bad\.yaml:1:1: title/);
    expect(problems.join('\n')).toMatch(/taken\.yml:1:1: the id vacuum is that of a built-in one/);
    expect(problems.join('\n')).toMatch(
      /twice\.yaml:1:1: the id restart-worker is that of .*good\.yaml/,
    );
  });

  it('a directory that is not there holds none', async () => {
    expect(await loadUserRunbooks('/no/such/directory', new Set())).toEqual({
      runbooks: [],
      problems: [],
    });
  });
});

it('the example of the operator guide is a runbook', async () => {
  const guide = await readFile(new URL('../../../docs/operator-guide.md', import.meta.url), 'utf8');
  const example = guide.split('```yaml\n').find((part) => part.startsWith('id: ')) ?? '';
  expect(parse(example.split('```')[0] ?? '').id).toBe('restart-worker');
});

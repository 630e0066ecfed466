import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CliOptions, runCli, startCli } from '../support/cli.js';
import { sandbox } from '../support/sandbox.js';

/** A runbook of the operator's own: empties a file, slowly when asked to. */
const empty = (risk: 'change' | 'destroy') => `id: empty-file
title: Empty a file
summary: Empties the file and proves it.
symptoms: [the file is full of junk]
tags: [junk]
roles: [admin]
risk: ${risk}
inputs:
  seconds: { type: integer, description: How long it takes, default: 0 }
targets: [file=junk]
steps:
  - kind: plan
    id: plan
    title: What goes
    why: Nothing else does.
    targets: [{ type: file, name: junk, action: empty, state: { shell: [cat, junk] } }]
  - kind: approve
    id: approve
    title: Empty it?
    why: It does not come back.
    name: junk
    question: The file junk will be emptied.
  - kind: act
    id: empty
    title: Empty it
    why: It is junk.
    shell: [sh, -c, 'echo working; sleep "$0"; : > junk', "\${input.seconds}"]
    verify: { shell: [cat, junk], expect: { equals: "" } }
`;

const tell = `id: tell-team
title: Tell the team
summary: Tells them.
symptoms: [nobody knows]
roles: [admin]
risk: read
steps:
  - { kind: manual, id: tell, title: Tell, why: They wait., instruction: Tell the team. }
`;

const project = (risk: 'change' | 'destroy', config = '') =>
  sandbox({
    'reviewops.config.yaml': config,
    'runbooks/empty-file.yaml': empty(risk),
    'runbooks/tell-team.yaml': tell,
    junk: 'junk',
  });

interface RunJson {
  runId: string;
  runbook: string;
  state: string;
  steps: { id: string; kind: string; state: string; seconds: number | null; summary: string }[];
  planHash: string;
  reportFiles: { json: string; markdown: string } | null;
  resume: string | null;
}

const runJson = async (args: string[], options: CliOptions & { cwd: string }) => {
  const { code, json, stderr } = await runCli(['runbook', ...args, '--json'], options);
  return { code, stderr, ...json<RunJson>() };
};

const junkOf = (cwd: string) => readFile(join(cwd, 'junk'), 'utf8');

/** The arguments of the command that a hint names. */
const commandIn = (hint: string | null): string[] =>
  (/`reviewops ([^`]*)`/.exec(hint ?? '')?.[1] ?? '').split(' ');

describe('finding a runbook', () => {
  it.each([
    [['no', 'best', 'review'], 'gold-incomplete'],
    [['connection refused'], 'database-connection'],
    [['dead tuples'], 'vacuum'],
    [['the file is full of junk'], 'empty-file'],
  ])('%j leads to %s', async (words, id) => {
    const cwd = await project('change');
    const { json } = await runCli(['runbook', 'list', ...words, '--json'], { cwd });
    expect(json<{ runbooks: { id: string }[] }>().result.runbooks[0]?.id).toBe(id);
  });

  it('shows steps with their reasons and commands, and says what was meant', async () => {
    const shown = await runCli(['runbook', 'show', 'vacuum']);
    expect(shown.stdout).toContain('$ ');
    const wrong = await runCli(['runbook', 'show', 'vacum']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('Did you mean vacuum?');
  });

  it('names file, line and column of what is wrong in a file of one’s own', async () => {
    const cwd = await project('change');
    await writeFile(join(cwd, 'runbooks/bad.yaml'), 'id: bad\nrisk: none\n');
    const { code, stderr } = await runCli(['runbook', 'run', 'bad'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/runbooks\/bad\.yaml:2:7: risk: /);
    const list = await runCli(['runbook', 'list'], { cwd });
    expect(list.code).toBe(0);
    expect(list.stderr).toContain('bad.yaml:2:7');
  });
});

describe('roles', () => {
  it('who has none of the runbook’s is refused with 3, may look, and a role of theirs lets them', async () => {
    const cwd = await project(
      'change',
      'operators: { roles: { eve: [analyst] }, others: [admin] }\n',
    );
    const as = (name: string) => ({ cwd, env: { REVIEWOPS_OPERATOR: name } });
    const eve = await runJson(['run', 'empty-file', '--yes'], as('eve'));
    expect({ code: eve.code, error: eve.error.code }).toEqual({ code: 3, error: 'ROLE_MISSING' });
    expect(await junkOf(cwd)).toBe('junk');
    expect((await runJson(['run', 'empty-file', '--dry-run'], as('eve'))).code).toBe(0);
    expect((await runJson(['run', 'empty-file', '--yes'], as('ada'))).code).toBe(0);
    expect(await junkOf(cwd)).toBe('');
  });
});

describe('approval without a terminal', () => {
  it('what destroys is refused with the exact command, untouched; that command does it', async () => {
    const cwd = await project('destroy');
    for (const answer of [[], ['--yes']]) {
      const { code, error } = await runJson(['run', 'empty-file', ...answer], { cwd });
      expect({ code, error: error.code }).toEqual({ code: 3, error: 'CONFIRMATION_REQUIRED' });
      expect(await junkOf(cwd)).toBe('junk');
    }
    const { error } = await runJson(['run', 'empty-file'], { cwd });
    const [topic, ...rerun] = commandIn(error.hint).filter((word) => word !== '--json');
    expect(topic).toBe('runbook');
    const { code, result } = await runJson(rerun, { cwd });
    expect(code).toBe(0);
    expect(result).toMatchObject({
      runbook: 'empty-file',
      state: 'succeeded',
      steps: [
        { id: 'plan', kind: 'plan', state: 'done', seconds: expect.any(Number) },
        { id: 'approve', kind: 'approve', state: 'done' },
        { id: 'empty', kind: 'act', state: 'done', summary: expect.any(String) },
      ],
    });
    expect(await junkOf(cwd)).toBe('');
    const report = JSON.parse(await readFile(result.reportFiles?.json ?? '', 'utf8'));
    expect(report).toMatchObject({ run: { state: 'succeeded' }, planHash: result.planHash });
    expect(await readFile(result.reportFiles?.markdown ?? '', 'utf8')).toContain('done, verified');
  });

  it('the plan of a dry run is what --plan takes, until reality changes', async () => {
    const cwd = await project('destroy');
    const dry = await runJson(['run', 'empty-file', '--dry-run'], { cwd });
    expect(dry).toMatchObject({ code: 0, result: { state: 'succeeded' } });
    await writeFile(join(cwd, 'junk'), 'precious');
    const late = await runJson(['run', 'empty-file', '--plan', dry.result.planHash], { cwd });
    expect(late).toMatchObject({ code: 3, error: { code: 'PLAN_CHANGED' } });
    expect(await junkOf(cwd)).toBe('precious');
    const named = await runJson(['run', 'empty-file', '--confirm', 'junk'], { cwd });
    expect(named.code).toBe(0);
  });

  it('what can be changed back takes --yes', async () => {
    const cwd = await project('change');
    const refusal = await runJson(['run', 'empty-file'], { cwd });
    expect(refusal).toMatchObject({ code: 3 });
    expect(commandIn(refusal.error.hint)).toContain('--yes');
    expect((await runJson(['run', 'empty-file', '--yes'], { cwd })).code).toBe(0);
    expect((await runJson(['run', 'empty-file', '--yes', '--read-only'], { cwd })).error.code).toBe(
      'READ_ONLY_MODE',
    );
  });

  it('a second person resumes the run and approves the same plan', async () => {
    const cwd = await project('destroy', 'approvals: { secondPerson: true }\n');
    const as = (name: string) => ({ cwd, env: { REVIEWOPS_OPERATOR: name } });
    const first = await runJson(['run', 'empty-file', '--confirm', 'junk'], as('ada'));
    expect(first).toMatchObject({ code: 3, result: { state: 'waiting' } });
    const resume = ['resume', first.result.runId, '--confirm', 'junk'];
    expect((await runJson(resume, as('Ada'))).result.state).toBe('waiting');
    expect(await junkOf(cwd)).toBe('junk');
    expect(await runJson(resume, as('grace'))).toMatchObject({
      code: 0,
      result: { state: 'succeeded', runId: first.result.runId },
    });
    expect(await junkOf(cwd)).toBe('');
  });

  it('a manual step waits for who says what was done', async () => {
    const cwd = await project('change');
    const waits = await runJson(['run', 'tell-team'], { cwd });
    expect(waits).toMatchObject({ code: 3, result: { state: 'waiting' } });
    const done = await runJson(['resume', waits.result.runId, '--done', 'told them'], { cwd });
    expect(done.result.steps[0]?.summary).toMatch(/: told them$/);
  });
});

describe('interruption', () => {
  const slow = ['run', 'empty-file', '--input', 'seconds=30', '--yes'];
  const noSleepLeft = async (cwd: string) => {
    const { stdout } = await runCli(['runbook', 'history', '--json'], { cwd });
    expect(stdout).not.toContain('"running"');
  };

  it('Ctrl-C stops the program, says what state things are in, and how to go on', async () => {
    const cwd = await project('change');
    const cli = startCli(['runbook', ...slow, '--json'], { cwd });
    await cli.waitFor(/working/);
    const sent = performance.now();
    cli.child.kill('SIGINT');
    const { code, json } = await cli.result;
    expect(performance.now() - sent).toBeLessThan(8000);
    expect(code).toBe(130);
    const { error } = json();
    expect(error.message).toContain('empty was stopped in the middle');
    const [, ...resume] = commandIn(error.hint);
    expect(resume[0]).toBe('resume');
    await noSleepLeft(cwd);
    // What the step had meant to do is done in another way: the probe finds it.
    await writeFile(join(cwd, 'junk'), '');
    const resumed = await runJson(resume, { cwd });
    expect(resumed).toMatchObject({ code: 0, result: { state: 'succeeded' } });
    expect(resumed.result.steps[2]?.summary).toContain('Found done');
  });

  it('a second Ctrl-C leaves at once, and takes the programs along', async () => {
    const cwd = await project('change');
    await writeFile(
      join(cwd, 'runbooks/empty-file.yaml'),
      empty('change').replace("'echo working; ", `'trap "" TERM; echo $$ > pid; echo working; `),
    );
    const cli = startCli(['runbook', ...slow], { cwd });
    await cli.waitFor(/working/);
    cli.child.kill('SIGINT');
    await cli.waitFor(/Stopping/);
    const second = performance.now();
    cli.child.kill('SIGINT');
    expect((await cli.result).code).toBe(130);
    expect(performance.now() - second).toBeLessThan(1500);
    const pid = Number(await readFile(join(cwd, 'pid'), 'utf8'));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('a killed run is found interrupted by the next command, and resumed', async () => {
    const cwd = await project('change');
    const cli = startCli(['runbook', ...slow], { cwd });
    await cli.waitFor(/working/);
    cli.child.kill('SIGKILL');
    await cli.result;
    const { json } = await runCli(['runbook', 'history', '--json'], { cwd });
    const [run] = json<{ runs: { runId: string; state: string }[] }>().result.runs;
    expect(run?.state).toBe('interrupted');
    await writeFile(join(cwd, 'junk'), '');
    expect((await runJson(['resume', run?.runId ?? ''], { cwd })).result.state).toBe('succeeded');
  });
});

const isAlive = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone) Z');
  return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
};

describe('output', () => {
  it('--format jsonl is one event a line, and nothing else', async () => {
    const cwd = await project('change');
    const { code, stdout } = await runCli(
      ['runbook', 'run', 'empty-file', '--yes', '--format', 'jsonl'],
      { cwd },
    );
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ type }) => type)).toEqual([
      'run.started',
      'step.started',
      'output',
      'plan.made',
      'step.finished',
      'step.started',
      'approval.given',
      'step.finished',
      'step.started',
      'act.started',
      'output',
      'step.finished',
      'run.finished',
    ]);
    for (const { at } of events) expect(at).toMatch(/^\d{4}-.*Z$/);
  });

  it('history shows the whole run, and finds an entry that was changed', async () => {
    const cwd = await project('change');
    const { result } = await runJson(['run', 'empty-file', '--yes', '--incident', '7'], { cwd });
    const whole = await runCli(['runbook', 'history', result.runId], { cwd });
    expect(whole.stdout).toMatch(/The chain of \d+ entries is whole/);
    const ofIncident = await runCli(['runbook', 'history', '--incident', '7'], { cwd });
    expect(ofIncident.stdout).toContain(result.runId);
    const path = join(cwd, '.reviewops/runs', `${result.runId}.jsonl`);
    await writeFile(
      path,
      (await readFile(path, 'utf8')).replace('"yes"', '"no"').replace('--yes', '--no'),
    );
    const ofNone = await runCli(['runbook', 'history', '--incident', '8'], { cwd });
    expect(ofNone.stdout).toMatch(/^No run belongs to incident 8\./);
    const broken = await runCli(['runbook', 'history', result.runId, '--json'], { cwd });
    expect(broken.code).toBe(1);
    expect(broken.json().error.code).toBe('JOURNAL_BROKEN');
  });

  it('export writes pages, and --check finds those that are out of date', async () => {
    const cwd = await project('change');
    expect((await runCli(['runbook', 'export', '--check'], { cwd })).code).toBe(1);
    expect((await runCli(['runbook', 'export'], { cwd })).code).toBe(0);
    expect((await runCli(['runbook', 'export', '--check'], { cwd })).code).toBe(0);
    const page = join(cwd, 'docs/runbooks/empty-file.md');
    expect(await readFile(page, 'utf8')).toContain('# Empty a file');
    await writeFile(page, 'edited');
    const check = await runCli(['runbook', 'export', '--check'], { cwd });
    expect(check.stdout).toContain('empty-file.md');
    expect(check.code).toBe(1);
  });
});

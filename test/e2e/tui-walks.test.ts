import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checklistItems } from '../../src/incidents/events.js';
import { checklistText } from '../../src/incidents/transitions.js';
import { openLocalLake } from '../../src/lake/local.js';
import { rewriteLayer } from '../support/rewrite.js';
import { makeSite, type Site } from '../support/site.js';
import { keys, type TestTerminal } from '../support/terminal.js';
import { approve, findRunbook, line, say, startRun, succeeds } from '../support/walk.js';

/** A runbook of the operator's own that fails until a file is there. */
const countStock = `id: count-stock
title: Count the stock
summary: Counts it and proves it.
symptoms: [nobody counted the stock]
tags: [stock]
roles: [admin]
risk: change
targets: [file=counted]
steps:
  - kind: plan
    id: plan
    title: What is counted
    why: Nothing else is.
    targets: [{ type: file, name: counted, action: count, state: { shell: [echo, stock] } }]
  - kind: approve
    id: approve
    title: Count it?
    why: It takes a while.
    name: stock
    question: The stock is counted.
  - kind: act
    id: count
    title: Count it
    why: Nobody knows.
    shell: [test, -e, counted]
    verify: { shell: [ls, counted], expect: { equals: counted } }
`;

/** Each problem: the system is really broken, found by what is seen, repaired on the screen, proven outside. */
describe('walks from a symptom to a verified repair', { timeout: 120_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await makeSite(5000);
  });
  afterEach(() => site.close());
  afterAll(() => site.dispose());

  const open = (env: Record<string, string> = {}): TestTerminal =>
    site.terminal([], { columns: 100, rows: 30, env });

  const remove = (...path: string[]) => rm(site.lake(...path), { recursive: true });

  const fileOf = async (layer: string, table: string): Promise<string> => {
    const names = await readdir(site.lake(layer, `batch=${site.batchId}`));
    return site.lake(
      layer,
      `batch=${site.batchId}`,
      names.find((name) => name.startsWith(`${table}.`)) ?? table,
    );
  };

  /** Every file has the bytes its manifest says, and the shop shows its reviews. */
  const expectWhole = async () => {
    const verified = await site.cli(['batch', 'verify', site.batchId, '--json']);
    expect(verified.json<{ batches: { state: string }[] }>().result.batches).toMatchObject([
      { state: 'complete' },
    ]);
    expect((await site.cli(['product', 'best', 'P7', '--json'])).code).toBe(0);
    const [row] = await site.client.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM amazon.fact_reviews',
    );
    expect(row?.n).toBe(4600);
  };

  it('no silver for this batch', async () => {
    await remove('silver');
    await remove('gold');
    const screen = open();
    await findRunbook(screen, 'no silver for this batch', 'silver-missing');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('the site shows no best review', async () => {
    await remove('gold');
    const screen = open();
    await findRunbook(screen, 'the site shows no best review', 'gold-incomplete');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('a Parquet file is not found', async () => {
    await rm(await fileOf('silver', 'review'));
    const screen = open();
    await findRunbook(screen, 'No such file review.parquet', 'parquet-not-found');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('the model crashes for a missing column', async () => {
    const world = { lake: openLocalLake(site.lake()), root: site.directory };
    const query = 'SELECT * EXCLUDE (body) FROM layer';
    await rewriteLayer(world, 'silver', site.batchId, 'review', query);
    const screen = open();
    await findRunbook(screen, 'column not found in silver', 'model-crash');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('a file is corrupt: name and count are typed', async () => {
    const path = await fileOf('bronze', 'review');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
    const screen = open();
    await findRunbook(screen, 'checksum does not match', 'corrupt-batch');
    await startRun(screen);
    await screen.see(new RegExp(`Type ${site.batchId} \\d+ to approve`));
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('the rows in the database are wrong', async () => {
    await site.client.execute("UPDATE amazon.fact_reviews SET review_id = 'x' || review_id");
    const screen = open();
    await findRunbook(screen, 'orphan rows in fact_reviews', 'inconsistent-rows');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('a relation does not exist; the evidence leads to the next runbook', async () => {
    await site.client.execute('DROP TABLE amazon.fact_reviews CASCADE');
    const screen = open();
    await findRunbook(screen, 'relation fact_reviews does not exist', 'relation-not-found');
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await screen.see('b opens inconsistent-rows.');
    screen.type('b');
    await screen.see(/› inconsistent-rows/);
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await expectWhole();
  });

  it('a join runs out of memory', async () => {
    await remove('silver');
    await remove('gold');
    const scarce = { REVIEWOPS_PIPELINE_MEMORY_LIMIT: '8MB', REVIEWOPS_PIPELINE_THREADS: '2' };
    const failing = ['pipeline', 'run', '--batch-id', site.batchId, '--from', 'transform'];
    expect((await site.cli(failing, scarce)).stderr).toContain('ENGINE_OUT_OF_MEMORY');
    const screen = open(scarce);
    await findRunbook(screen, 'Out of Memory Error', 'join-out-of-memory');
    await startRun(screen);
    await approve(screen);
    await say(screen, 'raised the limit in the configuration');
    await succeeds(screen);
    await expectWhole();
  });

  it('too many rejects: a person decides, and the journal has who said what', async () => {
    await site.client.execute(
      'UPDATE amazon.review SET rating = 9 WHERE substr(review_id, 2)::int % 3 = 0',
    );
    expect((await site.cli(['pipeline', 'run'])).code).toBe(0);
    const screen = open();
    await findRunbook(screen, 'too many rejects', 'reject-rate');
    await startRun(screen);
    await say(screen, 'the source sends them again tomorrow');
    await succeeds(screen);
    const { stdout } = await site.cli(['runbook', 'history', '--json']);
    const [run] = (JSON.parse(stdout) as { result: { runs: { runId: string }[] } }).result.runs;
    const events = await site.cli(['runbook', 'history', run?.runId ?? '']);
    expect(events.stdout).toContain('the source sends them again tomorrow');
  });

  it('the lake gives errors: cured by hand meanwhile, and proven', async () => {
    const gold = site.lake('gold');
    await rename(gold, `${gold}-aside`);
    await writeFile(gold, 'somebody put a file here');
    const screen = open();
    await findRunbook(screen, 'S3 errors', 's3-errors');
    await startRun(screen);
    await screen.see('Say what you did');
    await rm(gold);
    await rename(`${gold}-aside`, gold);
    await say(screen, 'moved the file away');
    await succeeds(screen);
    await screen.see(/prove: ok/);
  });

  it('everything is slow: leads to the vacuum, which is done and measured', async () => {
    await site.client.execute(
      "INSERT INTO amazon.carrier SELECT i::text, 'carrier' FROM generate_series(1, 30000) i",
    );
    await site.client.execute('ALTER TABLE amazon.carrier SET (autovacuum_enabled = false)');
    await site.client.execute('DELETE FROM amazon.carrier');
    await site.client.query('SELECT pg_stat_force_next_flush()');
    await site.client.query('SELECT 1');
    const screen = open();
    await findRunbook(screen, 'everything is slow', 'slow-at-peak');
    await startRun(screen);
    await succeeds(screen);
    await screen.see('b opens vacuum.');
    screen.type('b');
    await screen.see(/› vacuum/);
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    const [dead] = await site.client.query<{ n: number }>(
      "SELECT n_dead_tup::int AS n FROM pg_stat_user_tables WHERE relname = 'carrier'",
    );
    expect(dead?.n).toBeLessThan(1000);
  });

  it('shows the open incidents, with the time that is left', async () => {
    const opened = ['incident', 'open', 'Products show old reviews', '--severity', 'P3'];
    expect((await site.cli(opened)).code).toBe(0);
    const screen = open();
    await screen.see('corrupt-batch');
    screen.type('I');
    await screen.see(/#\d+ +P3 +open +\S.* +nobody +Products show old reviews/);
  });

  it('a run fails: an incident is opened, acknowledged, noted, and cured by its runbook', async () => {
    const marker = join(site.directory, 'counted');
    const config = join(site.directory, 'reviewops.config.yaml');
    await mkdir(join(site.directory, 'runbooks'), { recursive: true });
    await writeFile(join(site.directory, 'runbooks', 'count-stock.yaml'), countStock);
    await writeFile(config, 'incidents: { openFrom: { runbooks: false } }\n');
    const screen = open();
    await findRunbook(screen, 'nobody counted the stock', 'count-stock');
    await startRun(screen);
    await approve(screen);
    await screen.see('The run failed.', 60_000);
    await screen.see('i opens an incident.');
    screen.type('i');
    await screen.see('An incident is opened for this run');
    await line(screen, 'P3 Nobody counted the stock');
    const [, id = ''] =
      /Incident #(\d+) has it/.exec(await screen.see(/Incident #\d+ has it/)) ?? [];
    await screen.see(`i updates incident #${id}`);
    screen.type('i');
    await screen.see('What is to be added to it?');
    await line(screen, 'the marker is missing');
    await screen.see(`Added to incident #${id}.`);
    screen.type('I');
    await screen.see(new RegExp(`#${id} +P3 +open +\\S`));
    screen.type('/');
    await line(screen, 'counted');
    await screen.see(new RegExp(`▸ *#${id} `));
    screen.type(keys.enter);
    await screen.see(/respond .* left/);
    screen.type('E');
    await screen.see(`Type escalate ${id}`);
    await line(screen, `escalate ${id}`);
    await screen.see(`The next of the chain is called for incident #${id}.`);
    screen.type('a');
    await screen.see(`You work on incident #${id}`);
    await line(screen, 'yes');
    await screen.see(/respond .* done/);
    screen.type('n');
    await screen.see(`Note for incident #${id}`);
    await line(screen, 'the marker is put back');
    await screen.see(`Noted with incident #${id}.`);
    screen.type('p');
    await screen.see('Into which new file');
    await line(screen, 'pm.md');
    await screen.see(`Post-mortem of incident #${id}`);
    expect(await readFile(join(site.directory, 'pm.md'), 'utf8')).toContain(
      'the marker is missing',
    );
    await writeFile(marker, '');
    screen.type('c');
    await screen.see(/› count-stock/);
    await startRun(screen);
    await approve(screen);
    await succeeds(screen);
    await screen.see(`i updates incident #${id}`);
    const { stdout } = await site.cli(['incident', 'show', id, '--json']);
    expect(
      (JSON.parse(stdout) as { result: { incidents: unknown[] } }).result.incidents[0],
    ).toMatchObject({
      respondedBy: 'ada',
      calls: [{ reason: 'opened' }, { reason: 'person' }],
      runs: [
        { runbook: 'count-stock', state: 'failed' },
        { runbook: 'count-stock', state: 'succeeded' },
      ],
    });
    await rm(config);
  });

  it('an incident is resolved and closed, each after its questions', async () => {
    const { stdout } = await site.cli([
      ...['incident', 'open', 'The scores are old', '--severity', 'P3', '--json'],
    ]);
    const opened = JSON.parse(stdout) as { result: { incidents: { incidentId: number }[] } };
    const id = String(opened.result.incidents[0]?.incidentId);
    const screen = open();
    await screen.see('corrupt-batch');
    screen.type('I');
    await screen.see('The scores are old');
    screen.type('/');
    await line(screen, 'scores');
    await screen.see(new RegExp(`▸ *#${id} `));
    screen.type(keys.enter);
    await screen.see(/respond .* left/);
    screen.type('r');
    await screen.see(`Type resolve ${id}`);
    await line(screen, `resolve ${id} the load was late`);
    await screen.see(`Incident #${id} is resolved.`);
    await screen.see('x close');
    screen.type('x');
    for (const [at, item] of checklistItems.entries()) {
      await screen.see(`${at + 1}: ${checklistText[item]}`);
      await line(screen, 'yes');
    }
    await screen.see(`Incident #${id} is closed.`);
    const shown = await site.cli(['incident', 'show', id, '--json']);
    expect(
      (JSON.parse(shown.stdout) as { result: { incidents: unknown[] } }).result.incidents[0],
    ).toMatchObject({ status: 'closed', rootCause: 'the load was late' });
  });

  it('the database cannot be reached: it opens all the same, and leads to the cure', async () => {
    const url = new URL(site.database.target.url);
    const right = url.href;
    url.port = '1';
    const file = join(site.directory, '.env');
    await writeFile(file, `NEON_DB_URL=${url.href}\n`, { mode: 0o600 });
    const screen = open({ NEON_DB_URL: '' });
    await screen.see('NO DATABASE');
    await screen.see('1 then Enter opens database-connection');
    screen.type('1');
    await screen.see(/▸ ✗ critical +database/);
    screen.type('\r');
    await screen.see(/› database-connection/);
    await startRun(screen);
    await screen.see('Say what you did');
    await screen.see('Answer:');
    await screen.enter('later');
    screen.type('\r');
    await screen.see('The run waits.');
    await writeFile(file, `NEON_DB_URL=${right}\n`, { mode: 0o600 });
    screen.type('r');
    await succeeds(screen);
    await screen.lose('NO DATABASE');
    expect(screen.raw()).not.toContain(new URL(right).password);
  });
});

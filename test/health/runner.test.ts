import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { type Check, critical, ok, skipped, unknown, warning } from '../../src/health/check.js';
import { runChecks, type SharedSources } from '../../src/health/runner.js';
import { failed, interrupted } from '../../src/system/errors.js';

const nothing = () => Promise.reject(new Error('not asked for'));
const sources: SharedSources = {
  config: configSchema.parse({ health: { timeoutSeconds: 0.2 } }),
  home: '/nowhere',
  database: nothing,
  availability: nothing,
  lake: nothing,
  pseudonymKey: nothing,
  journals: nothing,
  scratch: nothing,
  runs: nothing,
  now: () => new Date('2026-02-03T04:05:06Z'),
};
const { signal } = new AbortController();

const check = (name: string, run: Check['run'], more: Partial<Check> = {}): Check => ({
  name,
  title: name,
  group: 'lake',
  needs: ['local'],
  run,
  ...more,
});
const finds = (finding: Awaited<ReturnType<Check['run']>>) => check('it', async () => finding);

describe('running checks', () => {
  it('calls a check that throws unknown, with the error, its hint and a cure', async () => {
    const thrower = check('it', () => {
      throw failed('DATABASE_PERMISSION_DENIED', 'No right.', { hint: 'Grant it.' });
    });
    const { checks, state } = await runChecks([thrower], sources, { signal });
    expect(state).toBe('unknown');
    expect(checks[0]).toMatchObject({
      state: 'unknown',
      summary: 'No right.',
      next: 'Grant it.',
      runbook: { id: 'database-connection', command: 'reviewops runbook run database-connection' },
      evidence: { error: 'DATABASE_PERMISSION_DENIED' },
    });
  });

  it('calls it critical where failing is what the check is about', async () => {
    const thrower = check('it', () => Promise.reject(new Error('gone')), { onFailure: 'critical' });
    const { state } = await runChecks([thrower], sources, { signal });
    expect(state).toBe('critical');
  });

  it('gives each check its own time, and none more', async () => {
    const never = new Promise<never>(() => undefined);
    const begun = performance.now();
    const { checks } = await runChecks(
      [
        check('hangs', () => never),
        check('hangs longer', () => never, { timeoutSeconds: 0.4 }),
        check('works', async () => ok('fine')),
      ],
      sources,
      { signal },
    );
    expect(checks.map(({ state }) => state)).toEqual(['unknown', 'unknown', 'ok']);
    expect(checks[0]?.summary).toBe('No answer within 0.2 s.');
    expect(checks[2]?.seconds).toBeLessThan(0.2);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('tells a check that is out of time to stop', async () => {
    let stopped = false;
    const waits = check('it', ({ signal: mine }) => {
      mine.addEventListener('abort', () => {
        stopped = true;
      });
      return new Promise(() => undefined);
    });
    await runChecks([waits], sources, { signal });
    expect(stopped).toBe(true);
  });

  it('skips what it may not look at, with the reason', async () => {
    const never = check('it', () => Promise.reject(new Error('it ran')), { needs: ['database'] });
    const report = await runChecks([never], sources, {
      signal,
      withheld: { database: 'not to wake it' },
    });
    expect(report.checks[0]).toMatchObject({ state: 'skipped', summary: 'not to wake it' });
  });

  it.each([
    ['critical', [ok('a'), warning('b'), unknown('c'), critical('d')]],
    ['warning', [ok('a'), warning('b'), unknown('c')]],
    ['unknown', [ok('a'), skipped('b'), unknown('c')]],
    ['ok', [ok('a'), skipped('b')]],
    ['skipped', [skipped('b')]],
  ])('is %s as a whole', async (state, findings) => {
    const report = await runChecks(findings.map(finds), sources, { signal });
    expect(report.state).toBe(state);
  });

  it('ends at once when the operator stops it', async () => {
    const controller = new AbortController();
    const hangs = check('it', () => new Promise(() => undefined), { timeoutSeconds: 60 });
    const running = runChecks([hangs], sources, { signal: controller.signal });
    controller.abort(interrupted());
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  it('writes the cure as a command, quoted for a shell', async () => {
    const input = { batchId: '20260131_235959', tables: ["a'b", 'c'], analyze: true };
    const finding = warning('x', { runbook: { id: 'vacuum', input } });
    const { checks } = await runChecks([finds(finding)], sources, { signal });
    expect(checks[0]?.runbook?.command).toBe(
      "reviewops runbook run vacuum --input batchId=20260131_235959 --input 'tables=a'\\''b' --input tables=c --input analyze=true",
    );
  });
});

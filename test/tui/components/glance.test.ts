import { describe, expect, it } from 'vitest';
import { shown } from '../../../src/tui/state/model.js';
import { draw, fetched, incident, looked, Sitting } from '../support.js';

const cured = (id: string) => ({ id, input: {}, command: `reviewops runbook run ${id}` });

describe('the system at a glance, on the smallest screen', () => {
  const names = [
    'database',
    'schema',
    'served-rows',
    'last-run',
    'reject-rate',
    'lake',
    'silver',
    'gold',
    'manifests',
    'password-age',
    'access-key-age',
    'incidents',
  ];

  it('has every subject in sight when all is well, the credentials and incidents too', async () => {
    const all = names.map((name) => ({ name, summary: `${name} is fine` }));
    const text = await draw(new Sitting().tell(looked('glance', all)).model);
    for (const seen of [
      /✓ ok +database +database is fine; schema is fine/,
      /✓ ok +served/,
      /✓ ok +last run/,
      /✓ ok +rejects/,
      /✓ ok +lake +lake is fine; silver is fine; gold is fine; man/,
      /✓ ok +password +password-age is fine/,
      /✓ ok +access key +access-key-age is fine/,
      /✓ ok +incidents +incidents is fine/,
    ]) {
      expect(text).toMatch(seen);
    }
  });

  it('has every subject in sight beside a warning, too', async () => {
    const all = names.map((name) => ({
      name,
      summary: name,
      state: name === 'schema' ? ('warning' as const) : ('ok' as const),
    }));
    const text = await draw(new Sitting().tell(looked('glance', all)).model);
    expect(text).toMatch(/! warning +schema/);
    expect(text).toMatch(/✓ ok +access key/);
    expect(text).toMatch(/✓ ok +incidents/);
  });

  it('has the worst first, and one line for what is not known for one reason', async () => {
    const runbook = cured('database-connection');
    const checks = names.map((name) =>
      name === 'database'
        ? { name, state: 'critical' as const, summary: 'refused', runbook }
        : { name, state: 'unknown' as const, summary: 'no database', runbook },
    );
    const text = await draw(new Sitting().tell(looked('glance', checks)).model);
    const [first = '', second = ''] = text.split('\n').slice(1);
    expect(first).toMatch(/✗ critical +database +refused/);
    expect(second).toMatch(/\? unknown +11 checks +schema, served-rows/);
    expect(text).toContain('1 then Enter opens database-connection: refused');
  });

  it('says how many lines it has no room for', async () => {
    const checks = names.map((name) => ({
      name,
      state: 'warning' as const,
      summary: `${name} is bad`,
    }));
    expect(await draw(new Sitting().tell(looked('glance', checks)).model)).toContain(
      '… and 4 more: 1 shows all',
    );
  });

  it('says how long there is for the most urgent incident, and Enter leads there', async () => {
    const sitting = new Sitting()
      .tell(looked('glance', [{ name: 'incidents', summary: '1 open' }]))
      .tell({ type: 'loaded', news: { incidents: { ...fetched, value: [incident] } } });
    expect(await draw(sitting.model)).toMatch(
      /incidents +1 open; #7 P2 59m left: The shop is empt/,
    );
    expect(shown(sitting.press('1', 'enter').model).name).toBe('incidents');
  });

  it('leaves the name of the runbook to the line above the keys, where it has no room', async () => {
    const check = {
      name: 'gold',
      state: 'critical' as const,
      summary: 'batch 20260102_030405: there is no gold',
      runbook: cured('gold-incomplete'),
    };
    const narrow = await draw(new Sitting().tell(looked('glance', [check])).press('1').model);
    expect(narrow).toMatch(/✗ critical +gold +batch 20260102_030405: there is no gold *\n/);
    expect(narrow).toContain('Enter opens gold-incomplete. batch 20260102_030405');
    const wide = new Sitting({ size: { columns: 120, rows: 30 } })
      .tell(looked('glance', [check]))
      .press('1');
    expect(await draw(wide.model)).toMatch(/there is no gold +gold-incomplete/);
  });
});

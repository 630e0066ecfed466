import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLocalLake } from '../../src/lake/local.js';
import { anchorToFile, readAnchors, verifyJournal } from '../../src/privacy/anchor.js';
import { deadlineOf } from '../../src/privacy/deadline.js';
import { parseIdentifiers } from '../../src/privacy/identifiers.js';
import { takeIn } from '../../src/privacy/intake.js';
import {
  journalPath,
  type PrivacyEntry,
  PrivacyJournal,
  readEntries,
} from '../../src/privacy/journal.js';
import { derivePrivacyKeys } from '../../src/privacy/keys.js';
import { extend, findRequest, openIdentifiers, recordRequest } from '../../src/privacy/requests.js';
import { addTombstones, readSuppression, requireKey } from '../../src/privacy/suppression.js';
import { look } from '../health/support.js';
import { testPseudonymKey } from '../support/stage.js';
import { nobodyGiven } from './support.js';

const keys = derivePrivacyKeys(testPseudonymKey);
const now = () => new Date('2026-03-01T12:00:00.000Z');
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'reviewops-privacy-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const day = (text: string) => new Date(`${text}T10:00:00.000Z`);

describe('rule 1, intake:', () => {
  it.each([
    ['2026-01-31', false, 'ignore', '2026-02-28'],
    ['2028-01-31', false, 'ignore', '2028-02-29'],
    ['2026-01-31', false, 'after', '2026-03-02'],
    ['2026-01-31', false, 'before', '2026-02-27'],
    ['2026-03-10', false, 'after', '2026-04-10'],
    ['2026-03-10', true, 'after', '2026-06-10'],
    ['2026-11-30', true, 'ignore', '2027-02-28'],
  ] as const)(
    'received %s, extended %s, weekends %s: due %s',
    (received, extended, weekends, due) => {
      expect(deadlineOf(day(received), extended, weekends).toISOString()).toBe(
        `${due}T23:59:59.999Z`,
      );
    },
  );

  it.each([
    ["O'Brien"],
    ["x'; DROP TABLE review--"],
    ['%'],
    ['_'],
    ['\\'],
    ['\u202eabc'],
    ['e\u0301'],
    ['\u00e9'],
    ['x'.repeat(10_240)],
  ])('takes %j byte by byte', (value) => {
    expect(parseIdentifiers(JSON.stringify({ customer: value })).customer).toEqual([value]);
  });

  it.each([
    ['{"customer": "a\\u0000b"}', /NUL/],
    ['{"customer": "\\ud800"}', /Unicode/],
    ['email: nobody', /no e-mail address/],
    ['phone: 12', /fewer than 5 digits/],
    ['name: Ada', /one of customer, buyer, email, phone/],
    ['', /No identifier/],
    ['{"customer": ', /no valid JSON/],
  ])('refuses %j, and does not repeat it', (text, message) => {
    expect(() => parseIdentifiers(text)).toThrow(message);
  });

  const given = (requestId: string, customer = 'C7') => ({
    requestId,
    identifiers: { ...nobodyGiven, customer: [customer] },
    receivedAt: day('2026-02-28'),
    by: 'ada',
  });
  const record = (requestId: string, customer?: string) =>
    recordRequest(openLocalLake(root), keys, given(requestId, customer), {
      now,
      weekends: 'after',
    });

  it('the request id is the idempotency key', async () => {
    const first = await record('DSR-1');
    expect(first).toMatchObject({ created: true, record: { state: 'open' } });
    expect(await record('DSR-1')).toMatchObject({ created: false, record: first.record });
    await expect(record('DSR-1', 'C8')).rejects.toMatchObject({ code: 'REQUEST_CONFLICT' });
    expect(openIdentifiers(first.record, keys).customer).toEqual(['C7']);
    expect(await readFile(join(root, 'privacy/requests/DSR-1.json'), 'utf8')).not.toContain('"C7"');
  });

  it('is in the journal once, also when the power went between record and journal', async () => {
    const home = join(root, 'home');
    await record('DSR-1');
    const work = { lake: openLocalLake(root), keys, home, now, weekends: 'after' } as const;
    for (const requestId of ['DSR-1', 'DSR-2', 'DSR-2', 'DSR-1']) {
      await takeIn(work, given(requestId));
    }
    const noted = (await readEntries(home)).map(({ event }) => event);
    expect(noted).toEqual([
      { type: 'request.recorded', requestIds: ['DSR-1'] },
      { type: 'request.recorded', requestIds: ['DSR-2'] },
    ]);
  });

  it('a record from before runs were told in it is read as one that began none', async () => {
    const { begun: _, ...old } = (await record('DSR-1')).record;
    const path = join(root, 'privacy/requests/DSR-1.json');
    await writeFile(path, JSON.stringify(old));
    expect((await findRequest(openLocalLake(root), 'DSR-1'))?.record.begun).toEqual([]);
  });

  it('an id that reveals the person is refused', async () => {
    await expect(record('case-of-ada1815', 'ada1815')).rejects.toMatchObject({
      code: 'REQUEST_ID_REVEALS',
    });
  });

  it('two more months only with a reason given within the first', async () => {
    const { record: stored } = await record('DSR-1');
    const said = { at: '2026-03-20T00:00:00.000Z', by: 'ada', reason: 'many backups' };
    expect(extend(stored, said, 'after').dueAt).toBe('2026-05-28T23:59:59.999Z');
    const late = { ...said, at: '2026-04-01T00:00:00.000Z' };
    expect(() => extend(stored, late, 'after')).toThrow(/no longer be extended/);
    expect(() => extend({ ...stored, extension: said }, said, 'after')).toThrow(/already/);
  });

  it('health warns 10 days before the deadline and is critical 3 days before', async () => {
    await recordRequest(
      openLocalLake(join(root, 'data')),
      keys,
      {
        requestId: 'DSR-1',
        identifiers: { ...nobodyGiven, customer: ['C7'] },
        receivedAt: day('2026-02-10'),
        by: 'ada',
      },
      { now, weekends: 'after' },
    );
    const stateAt = async (moment: string) => {
      const { check } = await look(['gdpr-requests'], { root, now: () => day(moment) });
      return check('gdpr-requests').state;
    };
    expect(await stateAt('2026-02-20')).toBe('ok');
    expect(await stateAt('2026-03-01')).toBe('warning');
    expect(await stateAt('2026-03-08')).toBe('critical');
    expect(await stateAt('2026-03-20')).toBe('critical');
  });
});

describe('rule 2, suppress first:', () => {
  const tombstone = {
    requestId: 'DSR-1',
    kind: 'customer' as const,
    digest: keys.digest('customer', 'C7'),
    effectiveAt: now().toISOString(),
  };

  it('tombstones lie outside the database, each under its epoch, once', async () => {
    const lake = openLocalLake(root);
    expect(await readSuppression(lake)).toMatchObject({ epoch: 0 });
    await addTombstones(lake, keys, [tombstone]);
    await addTombstones(lake, keys, [tombstone]);
    const other = { ...tombstone, digest: keys.digest('customer', 'C8') };
    await Promise.all([addTombstones(lake, keys, [other]), addTombstones(lake, keys, [other])]);
    expect(await readSuppression(lake)).toMatchObject({
      epoch: 2,
      tombstones: [
        { ...tombstone, epoch: 1, keyId: keys.id },
        { ...other, epoch: 2 },
      ],
    });
  });

  it('the digest needs the key, and another key is refused rather than matching nobody', async () => {
    const others = derivePrivacyKeys(Buffer.from('another key, just as long as it'));
    expect(others.digest('customer', 'C7')).not.toBe(tombstone.digest);
    const list = await addTombstones(openLocalLake(root), keys, [tombstone]);
    expect(() => requireKey(list, others)).toThrow(/whom it suppresses cannot be told/);
  });
});

describe('the journal of erasures', () => {
  const anchors = () => join(root, 'anchors');
  const write = async (count: number) => {
    const journal = new PrivacyJournal(root, now);
    for (let index = 0; index < count; index += 1) await journal.append({ type: `event-${index}` });
  };
  const entries = async (): Promise<PrivacyEntry[]> =>
    (await readFile(journalPath(root), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as PrivacyEntry);
  const put = (list: readonly PrivacyEntry[]) =>
    writeFile(journalPath(root), list.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  const problems = async () => (await verifyJournal(root, await readAnchors(anchors()))).problems;

  beforeEach(async () => {
    await write(5);
    await anchorToFile(root, anchors(), now);
    await write(2);
  });

  it('is whole, and goes through its anchor', async () => {
    expect(await problems()).toEqual([]);
  });

  it('shows an edit', async () => {
    const list = await entries();
    const changed = list.map((entry) =>
      entry.seq === 2 ? { ...entry, event: { type: 'other' } } : entry,
    );
    await put(changed);
    expect((await problems())[0]).toMatch(/Entry 3 .* edited, removed or moved/);
  });

  it('shows a removal', async () => {
    await put((await entries()).filter(({ seq }) => seq !== 2));
    expect((await problems())[0]).toMatch(/Entry 3/);
  });

  it('shows another order', async () => {
    const [first, second, ...rest] = await entries();
    await put([second, first, ...rest].filter((entry) => entry !== undefined));
    expect((await problems())[0]).toMatch(/Entry 1/);
  });

  it('shows that it was cut, by the anchor', async () => {
    await put((await entries()).slice(0, 3));
    expect(await problems()).toEqual([expect.stringMatching(/had 5 entries; by now it has 3/)]);
  });

  it('shows that it was computed anew as a whole, by the anchor', async () => {
    await rm(journalPath(root));
    await write(8);
    const journal = new PrivacyJournal(root, now);
    await journal.append({ type: 'more' });
    const list = await entries();
    expect(list).toHaveLength(9);
    await rm(journalPath(root));
    const other = new PrivacyJournal(root, () => day('2026-03-02'));
    for (const { event } of list) await other.append(event);
    expect(await problems()).toEqual([expect.stringMatching(/Entry 5 .* written anew/)]);
  });

  it('two writers take turns, and a line cut short by a crash is dropped', async () => {
    const text = await readFile(journalPath(root), 'utf8');
    await writeFile(journalPath(root), `${text}{"seq":7,"at":`);
    const writers = [new PrivacyJournal(root, now), new PrivacyJournal(root, now)];
    await Promise.all(writers.map((writer) => writer.append({ type: 'a' }, { type: 'b' })));
    expect(await problems()).toEqual([]);
    expect(await entries()).toHaveLength(11);
  });
});

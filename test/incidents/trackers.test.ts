import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendDue } from '../../src/incidents/delivery.js';
import { unsentMessages } from '../../src/incidents/outbox-list.js';
import { pullTrackers } from '../../src/incidents/pull.js';
import { readIncident } from '../../src/incidents/store.js';
import { act } from '../../src/incidents/work.js';
import type { Received } from '../support/incident-peers.js';
import {
  type IncidentWorld,
  incidentWorld,
  never,
  openOne,
  outletsFor,
} from '../support/incidents.js';
import {
  jiraPeer,
  linearPeer,
  linearTeam,
  notionDatabase,
  notionPeer,
  type TrackerPeer,
} from '../support/tracker-peers.js';

let world: IncidentWorld;
beforeAll(async () => {
  world = await incidentWorld();
});
afterAll(() => world.dispose());

const secrets = {
  REVIEWOPS_JIRA_TOKEN: 'jira-token',
  REVIEWOPS_LINEAR_TOKEN: 'linear-token',
  REVIEWOPS_NOTION_TOKEN: 'notion-token',
};

const kinds = [
  {
    kind: 'jira',
    open: jiraPeer,
    creates: ({ path }: Received) => path.endsWith('/issue'),
    settings: { user: 'ops@example.com', project: 'OPS' },
    priorities: ['High', 'Highest'],
    working: 'In Progress',
  },
  {
    kind: 'linear',
    open: linearPeer,
    creates: ({ body }: Received) => JSON.stringify(body).includes('mutation Create'),
    settings: { team: linearTeam },
    priorities: ['2', '1'],
    working: 'In Progress',
  },
  {
    kind: 'notion',
    open: notionPeer,
    creates: ({ path }: Received) => path === '/v1/pages',
    settings: { database: notionDatabase },
    priorities: ['P2', 'P1'],
    working: 'In progress',
  },
];

describe.each(kinds)('$kind', ({ kind, open, settings, priorities, working, creates }) => {
  let peer: TrackerPeer;
  beforeAll(async () => {
    peer = await open();
  });
  afterAll(() => peer.close());

  const storeOf = () =>
    world.store({ trackers: [{ name: kind, kind, url: peer.url, ...settings }] });
  const send = () => {
    const store = storeOf();
    return sendDue(store, outletsFor(store, secrets), { signal: never });
  };
  const all = ['symptom-gone', 'quality-tests', 'no-new-alert', 'logs', 'communicated'] as const;

  it('mirrors a ticket: created once, in line, commented once, closed; and takes over what happens there', async () => {
    const store = storeOf();
    const nasty = 'Gold </script> <b>*bold*</b> [x](http://evil) @all\u001b[31m\nsecond line';
    const { id, state } = await openOne(store, { summary: nasty, severity: 'P2' });
    // It takes the ticket in and hangs up: whether it was made is not known.
    peer.trouble = { cut: creates };
    expect(await send()).toMatchObject({ sent: 0, failed: 1 });
    expect(peer.tickets).toHaveLength(1);
    peer.trouble = undefined;
    world.later(2);
    await send();
    expect(peer.refused).toEqual([]);
    expect(peer.tickets).toHaveLength(1);
    const [ticket] = peer.tickets;
    expect(ticket?.priority).toBe(priorities[0]);
    expect(ticket?.title).not.toContain('\u001b');
    expect((await readIncident(world.client, id)).state.links).toHaveLength(1);
    expect(state.uid).not.toBe('');

    await act(store, id, { type: 'acknowledge' }, 'ada');
    await act(store, id, { type: 'severity', severity: 'P1', reason: 'r' }, 'ada');
    await act(store, id, { type: 'note', text: 'Looking at <it>.' }, 'ada');
    peer.trouble = { status: 503 };
    await send();
    peer.trouble = undefined;
    world.later(60);
    await send();
    expect(ticket).toMatchObject({ state: working, priority: priorities[1] });
    const texts = ticket?.comments.map(({ text }) => text) ?? [];
    expect(texts.filter((text) => text.includes('Looking at'))).toHaveLength(1);

    ticket?.comments.push({ id: 'theirs', by: 'Grace', text: 'It was the disk.' });
    if (ticket !== undefined) ticket.state = 'Done';
    const outlets = outletsFor(store, secrets);
    const pulled = await pullTrackers(store, outlets, never);
    expect(pulled).toEqual({ comments: 1, resolved: 1, failures: [] });
    expect(await pullTrackers(store, outlets, never)).toMatchObject({ comments: 0, resolved: 0 });
    const after = await readIncident(world.client, id);
    expect(after.state.status).toBe('resolved');
    expect(after.events.some(({ by }) => by === `Grace (${kind})`)).toBe(true);

    await act(store, id, { type: 'close', checklist: all }, 'ada');
    await send();
    expect(ticket?.state).toBe('Done');
    // What came from there did not go back there.
    expect(ticket?.comments.filter(({ text }) => text.includes('the disk'))).toHaveLength(1);
    expect(await unsentMessages(store, 10)).toEqual([]);
    expect(peer.refused).toEqual([]);
  });

  it('keeps its ticket when the token is wrong, and shows what is stuck', async () => {
    const store = storeOf();
    const { id } = await openOne(store, { severity: 'P3' });
    await sendDue(store, outletsFor(store, {}), { signal: never });
    const [waiting] = await unsentMessages(store, 10);
    expect(waiting).toMatchObject({ incidentId: id, state: 'waiting', attempts: 1 });
    expect(waiting?.lastError).toContain('is not set');
    const wrong = { ...secrets, [`REVIEWOPS_${kind.toUpperCase()}_TOKEN`]: 'wrong-token-here' };
    world.later(2);
    await sendDue(store, outletsFor(store, wrong), { signal: never });
    const [stuck] = await unsentMessages(store, 10);
    expect(stuck).toMatchObject({ state: 'stuck', nextAttemptAt: null });
    expect(JSON.stringify(stuck)).not.toContain('wrong-token-here');
    expect((await readIncident(world.client, id)).state.status).toBe('open');
    await world.client.execute("UPDATE maintenance.incident_outbox SET state = 'superseded'");
    peer.refused.length = 0;
  });
});

import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { sendDue } from '../../src/incidents/delivery.js';
import { notifyLocally } from '../../src/incidents/local.js';
import { deliverSpool, readSpool, spoolNames, spoolSignal } from '../../src/incidents/spool.js';
import { readIncident } from '../../src/incidents/store.js';
import { type HttpPeer, webhookPeer } from '../support/incident-peers.js';
import { type IncidentWorld, incidentWorld, never, outletsFor } from '../support/incidents.js';
import { ended, lineFrom } from '../support/tasks.js';

let world: IncidentWorld;
let peer: HttpPeer;
beforeAll(async () => {
  world = await incidentWorld();
  peer = await webhookPeer();
});
afterEach(() => {
  peer.received.length = 0;
  peer.refused.length = 0;
});
afterAll(async () => {
  await peer.close();
  await world.dispose();
});

const storeOf = () => world.store({ channels: [{ name: 'hook', kind: 'webhook' }] });
const outlets = () => outletsFor(storeOf(), { REVIEWOPS_WEBHOOK_URL: peer.url });

const spool = (cause: string, runId?: string) =>
  spoolSignal(world.home, {
    at: world.clock.now,
    by: 'reviewops',
    occurrence: {
      source: 'pipeline',
      summary: `${cause} broke`,
      severity: 'P1',
      cause,
      ...(runId === undefined ? {} : { runId }),
    },
  });

const tellFromHere = () => {
  const { config, now } = storeOf();
  return notifyLocally(world.home, outlets(), { config, now, signal: never });
};

it('tells people while the database is down, by the clock, and nothing twice once it is back', async () => {
  const entry = await spool('error/DATABASE_UNREACHABLE', 'run-1');
  world.later(10);
  await spool('error/DATABASE_UNREACHABLE', 'run-2');
  // Two calls: support, and the data engineer at once. One cause is one incident.
  expect(await tellFromHere()).toEqual({ sent: 2, failed: 0 });
  expect(await tellFromHere()).toEqual({ sent: 0, failed: 0 });
  world.later(30);
  peer.trouble = { status: 500 };
  expect(await tellFromHere()).toEqual({ sent: 0, failed: 2 });
  peer.trouble = undefined;
  // The next call, and the status message of the half hour.
  expect(await tellFromHere()).toEqual({ sent: 2, failed: 0 });

  const store = storeOf();
  const { recorded } = await deliverSpool(store, world.home);
  expect(recorded.map(({ outcome }) => outcome)).toEqual(['opened', 'occurred']);
  expect(await spoolNames(world.home)).toEqual([]);
  const { state } = await readIncident(world.client, recorded[0]?.incident.id ?? 0);
  expect(state.uid).toBe(entry.id);
  expect(state.openedAt.toISOString()).toBe(entry.at);
  expect(state.calls.map(({ role }) => role)).toEqual(['support', 'data-engineer', 'admin']);
  const before = peer.received.length;
  await sendDue(store, outlets(), { signal: never });
  expect(peer.received.length).toBe(before);
  expect(peer.refused).toEqual([]);
});

it('delivers once what was delivered and not removed, whatever moment the power went', async () => {
  const store = storeOf();
  await spool('power/1', 'run-10');
  await spool('power/2', 'run-11');
  const copy = await mkdtemp(join(tmpdir(), 'reviewops-spool-'));
  await cp(join(world.home, 'incidents'), copy, { recursive: true });
  const first = await deliverSpool(store, world.home);
  await cp(copy, join(world.home, 'incidents'), { recursive: true });
  expect(await readSpool(world.home)).toHaveLength(2);
  const second = await deliverSpool(store, world.home);
  await rm(copy, { recursive: true });
  expect(first.recorded.map(({ outcome }) => outcome)).toEqual(['opened', 'opened']);
  expect(second.recorded.map(({ outcome }) => outcome)).toEqual(['known', 'known']);
  await sendDue(store, outlets(), { signal: never });
  const keys = peer.received.map(({ headers }) => headers['idempotency-key']);
  expect(new Set(keys).size).toBe(keys.length);
});

it('keeps what cannot be delivered, and the order in which it was seen', async () => {
  await spool('order/1');
  world.later(1);
  await spool('order/2');
  const broken = { ...storeOf(), client: await world.database.client() };
  await broken.client.close();
  await expect(deliverSpool(broken, world.home)).rejects.toMatchObject({ exitCode: 5 });
  const names = (await readSpool(world.home)).map((entry) =>
    entry.kind === 'signal' ? entry.signal.occurrence.cause : '',
  );
  expect(names).toEqual(['order/1', 'order/2']);
  const { recorded } = await deliverSpool(storeOf(), world.home);
  expect(recorded).toHaveLength(2);
});

it('hides what a killed process was writing, and the next one that writes removes it', async () => {
  const temporary = () => readdir(join(world.home, 'incidents', '.tmp'));
  const script = fileURLToPath(new URL('../support/spool-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, world.home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await lineFrom(child, 'written');
  // While it lives, it may still end what it began.
  await spool('leftover/1');
  expect(await temporary()).toHaveLength(1);
  child.kill('SIGKILL');
  await ended(child);
  expect(await spoolNames(world.home)).toHaveLength(1);
  await spool('leftover/2');
  expect(await temporary()).toEqual([]);
  await deliverSpool(storeOf(), world.home);
  expect(await readdir(join(world.home, 'incidents', 'spool'))).toEqual([]);
});

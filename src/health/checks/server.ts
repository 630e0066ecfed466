import { tlsOf, verification } from '../../database/connect.js';
import { type SchemaState, schemaState } from '../../database/schema-state.js';
import { isLoopback, parseDatabaseUrl } from '../../database/url.js';
import { type Check, critical, judged, ok, skipped, stateOf, warning } from '../check.js';

/** The server itself: whether it answers, how safely, and whether it holds our schema. */

const connection = { id: 'database-connection', input: {} };
const samples = 3;

export const database: Check = {
  name: 'database',
  title: 'Database reachable',
  group: 'database',
  needs: ['database'],
  onFailure: 'critical',
  failureRunbook: connection,
  run: async ({ config, database: open }) => {
    const probe = await open();
    const milliseconds = await probe.lease(async (client) => {
      const times: number[] = [];
      for (let index = 0; index < samples; index += 1) {
        const start = performance.now();
        await client.query('SELECT 1');
        times.push(performance.now() - start);
      }
      // The quickest: what else this process does at the moment is no latency of the server.
      return Math.min(...times);
    });
    const threshold = config.health.latencyMilliseconds;
    const seconds = (limit: number | null) => (limit === null ? null : limit / 1000);
    return judged(
      stateOf(milliseconds, threshold),
      `${probe.target.description} answers in ${milliseconds.toFixed(1)} ms`,
      {
        value: milliseconds / 1000,
        unit: 'seconds',
        threshold: { warning: seconds(threshold.warning), critical: seconds(threshold.critical) },
        evidence: { connectSeconds: probe.connectSeconds, endpoint: probe.target.endpoint },
        runbook: { id: 'slow-at-peak', input: {} },
      },
    );
  },
};

export const tls: Check = {
  name: 'tls',
  title: 'Connection encrypted',
  group: 'database',
  needs: ['database'],
  run: async ({ database: open }) => {
    const probe = await open();
    const address = parseDatabaseUrl(probe.target.url);
    if (isLoopback(address.host)) return skipped('the server is on this machine');
    const used = await probe.lease((client) => client.use(async (driver) => tlsOf(driver)));
    if (used === undefined) {
      return critical(`the connection to ${address.host} is not encrypted`, {
        runbook: connection,
        next: 'Add ?sslmode=verify-full to NEON_DB_URL.',
      });
    }
    const verified = verification(address);
    const evidence = { ...used, verified };
    return verified === 'none'
      ? warning(`${used.version}, but nobody checked whose certificate it is`, {
          evidence,
          runbook: connection,
          next: 'Use sslmode=verify-full in NEON_DB_URL.',
        })
      : ok(`${used.version}, certificate checked`, { evidence });
  },
};

const judgement: Record<SchemaState, { state: 'ok' | 'warning' | 'critical'; text: string }> = {
  current: { state: 'ok', text: 'the schema is current' },
  older: { state: 'warning', text: 'migrations are due' },
  missing: { state: 'critical', text: 'the tables of reviewops were never made' },
  newer: { state: 'critical', text: 'the schema was made by a newer version of reviewops' },
};

export const schema: Check = {
  name: 'schema',
  title: 'Schema and migrations',
  group: 'database',
  needs: ['database'],
  run: async ({ config, database: open }) => {
    const probe = await open();
    const found = await probe.lease((client) =>
      probe.target.endpoint === 'pooler'
        ? client.transaction(() => schemaState(client, config), 'READ ONLY')
        : schemaState(client, config),
    );
    const { state, text } = judgement[found];
    return judged(state, text, {
      evidence: { schema: found },
      runbook: { id: 'relation-not-found', input: {} },
      next: found === 'newer' ? 'Update reviewops to that version.' : 'Run `reviewops db init`.',
    });
  },
};

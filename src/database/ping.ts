import type { Config } from '../config/schema.js';
import type { JobContext } from '../system/progress.js';
import { withClient } from './client.js';
import { tlsOf, type Verification, verification } from './connect.js';
import { type SchemaState, schemaState } from './schema-state.js';
import type { DatabaseTarget } from './target.js';
import { parseDatabaseUrl } from './url.js';

export interface PingResult {
  /** Version of the server, such as `18.4`. */
  server: string;
  database: string;
  role: string;
  /** Seconds: opening the connection, and of several `SELECT 1` the quickest and the middle one. */
  latencySeconds: { connect: number; min: number; median: number };
  tls: {
    on: boolean;
    version: string | null;
    cipher: string | null;
    /** What of the server’s certificate was checked; null without TLS. */
    verified: Verification | null;
  };
  endpoint: DatabaseTarget['endpoint'];
  kind: DatabaseTarget['kind'];
  schema: SchemaState;
  /** `host:port/database`. */
  description: string;
}

const samples = 7;

/** Connects and measures. Throws an error of exit code 5 that names the stage it failed at. */
export async function ping(
  target: DatabaseTarget,
  config: Config,
  { signal }: JobContext,
): Promise<PingResult> {
  const begun = performance.now();
  const options = { purpose: 'ping', settings: config.database, signal, readOnly: true };
  return withClient(target, options, async (client) => {
    const connect = since(begun);
    const times: number[] = [];
    for (let index = 0; index < samples; index += 1) {
      const start = performance.now();
      await client.query('SELECT 1');
      times.push(since(start));
    }
    times.sort((a, b) => a - b);
    const [about] = await client.query<{ server: string; database: string; role: string }>(
      `SELECT current_setting('server_version') AS server, current_database() AS database,
              current_user AS role`,
    );
    const tls = await client.use(async (connection) => tlsOf(connection));
    return {
      server: about?.server.split(' ')[0] ?? 'unknown',
      database: about?.database ?? 'unknown',
      role: about?.role ?? 'unknown',
      latencySeconds: { connect, min: times[0] ?? 0, median: times[samples >> 1] ?? 0 },
      tls: {
        on: tls !== undefined,
        version: tls?.version ?? null,
        cipher: tls?.cipher ?? null,
        verified: tls === undefined ? null : verification(parseDatabaseUrl(target.url)),
      },
      endpoint: target.endpoint,
      kind: target.kind,
      schema: await schemaState(client, config),
      description: target.description,
    };
  });
}

/** Seconds, to the microsecond. */
const since = (start: number): number => Math.round((performance.now() - start) * 1000) / 1e6;

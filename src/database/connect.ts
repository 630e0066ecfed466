import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { rootCertificates, TLSSocket, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { Client, ClientConfig } from 'pg';
import type { Config } from '../config/schema.js';
import { interrupted, invalid, isOperatorError, throwIfAborted } from '../system/errors.js';
import { type ConnectStage, describeDatabaseError } from './errors.js';
import type { DatabaseTarget } from './target.js';
import { type DatabaseAddress, isLoopback, isNeon, parseDatabaseUrl } from './url.js';

export interface ClientOptions {
  /** Shown in pg_stat_activity, after `reviewops `: `extract review`. */
  purpose: string;
  settings: Config['database'];
  signal: AbortSignal;
  /** The session refuses writes (`default_transaction_read_only`). */
  readOnly?: boolean;
}

/** What the driver knows of its connection and its types do not say. */
interface DriverClient {
  connection: {
    stream: Socket;
    on(event: string, listener: (message: { mechanisms?: string[] }) => void): void;
  };
  processID: number | null;
  secretKey: number | null;
}

export const driverOf = (client: Client): DriverClient => client as unknown as DriverClient;

/** What TLS the connection has; undefined when it has none. */
export function tlsOf(client: Client): { version: string; cipher: string } | undefined {
  const { stream } = driverOf(client).connection;
  if (!(stream instanceof TLSSocket)) return undefined;
  return { version: stream.getProtocol() ?? 'unknown', cipher: stream.getCipher().name };
}

/**
 * Opens a connection of the driver. Ends with `INTERRUPTED` as soon as the signal fires; other
 * errors are OperatorErrors that name the stage at which it failed.
 */
export async function connect(target: DatabaseTarget, options: ClientOptions): Promise<Client> {
  const { signal, purpose, settings } = options;
  throwIfAborted(signal);
  const address = parseDatabaseUrl(target.url);
  const tls = await tlsOptions(address);
  const { default: pg } = await import('pg');
  const config: ClientConfig & { sslnegotiation?: string } = {
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password ?? '',
    database: address.database,
    ssl: tls ?? false,
    enableChannelBinding: tls !== undefined && address.channelBinding !== 'disable',
    application_name: `reviewops ${purpose}`,
    connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
    keepAlive: true,
    ...(address.options === undefined ? {} : { options: address.options }),
    ...(address.directTls && tls !== undefined ? { sslnegotiation: 'direct' } : {}),
  };
  const client = new pg.Client(config);
  // Without a listener a connection that breaks while idle would end the process.
  client.on('error', () => undefined);
  const watched = watch(client, address, tls !== undefined);
  const abort = () => driverOf(client).connection.stream.destroy(interrupted());
  signal.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    if (address.channelBinding === 'require' && !watched.bound()) throw unbound();
    throwIfAborted(signal);
    return client;
  } catch (error) {
    driverOf(client).connection.stream.destroy();
    if (signal.aborted) throw isOperatorError(signal.reason) ? signal.reason : interrupted();
    throw describeDatabaseError(error, target, purpose, watched.stage());
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const unbound = () =>
  invalid(
    'DATABASE_CHANNEL_BINDING',
    'The database URL asks for channel_binding=require, and the server does not offer it.',
    { hint: 'Check that the server is the right one; channel_binding=prefer does without.' },
  );

/** Follows how far a connection gets. */
function watch(client: Client, address: DatabaseAddress, tls: boolean) {
  const named = isIP(address.host) === 0 && !address.host.startsWith('/');
  let stage: ConnectStage = named ? 'DNS' : 'TCP';
  let bound = false;
  const { connection } = driverOf(client);
  connection.stream.once('lookup', (error: unknown) => {
    if (error === null || error === undefined) stage = 'TCP';
  });
  connection.on('connect', () => {
    stage = tls ? 'TLS' : 'login';
  });
  connection.on('sslconnect', () => {
    connection.stream.once('secureConnect', () => {
      stage = 'login';
    });
  });
  connection.on('authenticationSASL', ({ mechanisms }) => {
    bound = mechanisms?.includes('SCRAM-SHA-256-PLUS') ?? false;
  });
  connection.on('authenticationOk', () => {
    stage = 'database';
  });
  return { stage: () => stage, bound: () => bound };
}

/** Whether the certificate of the server is checked, and how. */
export type Verification = 'none' | 'authority' | 'full';

/**
 * As libpq: `require` encrypts, and checks the authority when sslrootcert names one; `verify-ca`
 * checks the authority, `verify-full` the name too. Stricter in two places where that costs nobody
 * anything: a public authority vouches for anyone, so without sslrootcert `verify-ca` checks the
 * name, and Neon’s certificates are always checked in full.
 */
export function verification(address: DatabaseAddress): Verification {
  const { sslMode, rootCertificate, host } = address;
  const ownAuthority = rootCertificate !== undefined && rootCertificate !== 'system';
  if (sslMode === 'verify-full' || isNeon(host)) return 'full';
  if (sslMode === 'verify-ca') return ownAuthority ? 'authority' : 'full';
  return ownAuthority ? 'authority' : 'none';
}

/** TLS as the URL asks for it; undefined for none, which only loopback allows (see url.ts). */
export async function tlsOptions(address: DatabaseAddress): Promise<TlsOptions | undefined> {
  const { sslMode, host, rootCertificate, clientCertificate, clientKey } = address;
  const optional = sslMode === undefined || ['disable', 'allow', 'prefer'].includes(sslMode);
  if (optional && isLoopback(host)) return undefined;
  const verify = verification(address);
  const ca =
    rootCertificate === undefined || rootCertificate === 'system'
      ? [...rootCertificates]
      : await readPem('sslrootcert', rootCertificate);
  return {
    ca,
    rejectUnauthorized: verify !== 'none',
    ...(verify === 'authority' ? { checkServerIdentity: () => undefined } : {}),
    ...(clientCertificate === undefined
      ? {}
      : { cert: await readPem('sslcert', clientCertificate) }),
    ...(clientKey === undefined ? {} : { key: await readPem('sslkey', clientKey) }),
  };
}

async function readPem(parameter: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalid('DATABASE_URL_INVALID', `${parameter} of the database URL cannot be read.`, {
      hint: `Check that the file ${path} exists and may be read.`,
      cause: error,
    });
  }
}

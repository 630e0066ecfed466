import { lookup } from 'node:dns/promises';
import { isIP, connect as openSocket, type Socket } from 'node:net';
import { connect as openTls } from 'node:tls';
import { tlsOptions, type Verification, verification } from '../database/connect.js';
import type { DatabaseAddress } from '../database/url.js';
import { errorCode, errorMessage, interrupted, unreachable } from '../system/errors.js';

/** Milliseconds, to the tenth. */
const since = (start: number): number => Math.round((performance.now() - start) * 10) / 10;

/** Whether the host is a name that somebody has to resolve. */
export const needsDns = (host: string): boolean => isIP(host) === 0 && !host.startsWith('/');

/** The addresses of a name. `DATABASE_HOST_UNKNOWN` (exit 5). */
export async function resolveHost(
  host: string,
): Promise<{ addresses: string[]; milliseconds: number }> {
  const start = performance.now();
  try {
    const found = await lookup(host, { all: true });
    return { addresses: found.map(({ address }) => address), milliseconds: since(start) };
  } catch (error) {
    const code = errorCode(error) ?? errorMessage(error);
    throw unreachable(
      'DATABASE_HOST_UNKNOWN',
      code === 'ENOTFOUND'
        ? `No name server knows the host ${host}.`
        : `The host ${host} cannot be resolved: ${code}.`,
      { cause: error },
    );
  }
}

export interface ProbeOptions {
  timeoutSeconds: number;
  signal: AbortSignal;
}

/** Opens a connection to the server and closes it. `DATABASE_PORT_CLOSED` (exit 5) and why. */
export async function probeTcp(
  address: Pick<DatabaseAddress, 'host' | 'port'>,
  options: ProbeOptions,
): Promise<{ milliseconds: number; remote: string }> {
  const start = performance.now();
  const socket = await openPort(address, options);
  try {
    return {
      milliseconds: since(start),
      remote: `${socket.remoteAddress ?? address.host}:${socket.remotePort ?? address.port}`,
    };
  } finally {
    socket.destroy();
  }
}

function openPort(
  { host, port }: Pick<DatabaseAddress, 'host' | 'port'>,
  { timeoutSeconds, signal }: ProbeOptions,
): Promise<Socket> {
  const place = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  return new Promise((resolve, reject) => {
    const socket = openSocket(place);
    const timer = setTimeout(() => fail('timeout'), timeoutSeconds * 1000);
    const stop = () => fail('stopped');
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners();
      // Closed by the other side later on: nobody waits for that.
      socket.on('error', () => undefined);
    };
    const fail = (why: string, cause?: unknown) => {
      settle();
      socket.destroy();
      reject(why === 'stopped' ? interrupted() : portClosed(`${host}:${port}`, why, cause));
    };
    signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
    socket.once('error', (error) => fail(errorCode(error) ?? error.message, error));
  });
}

/** What a refused, silent or unreachable port usually means. */
function portClosed(where: string, why: string, cause: unknown) {
  const meaning: Record<string, string> = {
    ECONNREFUSED:
      'the machine answers and nothing listens there: the server is stopped, or the port is another one',
    timeout:
      'nothing answers at all: a firewall drops the packets (port 5432 must be open for this machine), or the machine is off',
    EHOSTUNREACH: 'there is no way to that machine: check the network, VPN and routes',
    ENETUNREACH: 'there is no way to that network: check the network, VPN and routes',
    ENOENT: 'there is no such socket: the server is stopped, or keeps its socket elsewhere',
    EACCES: 'this user may not open that socket',
  };
  return unreachable(
    'DATABASE_PORT_CLOSED',
    `No connection to ${where} (${why}): ${meaning[why] ?? 'see the code'}.`,
    { cause },
  );
}

export interface TlsProbe {
  version: string;
  cipher: string;
  subject: string;
  issuer: string;
  /** ISO 8601, UTC. */
  validTo: string;
  daysLeft: number;
  checked: Verification;
}

/** The request of the PostgreSQL protocol to speak TLS from here on. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Asks the server for TLS as a client does, and looks at its certificate; undefined where the URL
 * asks for none (loopback). `DATABASE_TLS_MISSING`, `DATABASE_CERTIFICATE_REJECTED` (exit 5).
 */
export async function probeTls(
  address: DatabaseAddress,
  options: ProbeOptions & { now: Date },
): Promise<TlsProbe | undefined> {
  const wanted = await tlsOptions(address);
  if (wanted === undefined) return undefined;
  const socket = await openPort(address, options);
  try {
    if (!address.directTls) await agreeOnTls(socket, options);
    return await handshake(socket, address, wanted, options);
  } finally {
    socket.destroy();
  }
}

function within<T>(
  what: string,
  { timeoutSeconds, signal }: ProbeOptions,
  work: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(interrupted());
    const timer = setTimeout(
      () =>
        reject(unreachable('DATABASE_TLS_MISSING', `The server accepts connections and ${what}.`)),
      timeoutSeconds * 1000,
    );
    signal.addEventListener('abort', stop, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    work(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
  });
}

const agreeOnTls = (socket: Socket, options: ProbeOptions): Promise<void> =>
  within('does not answer: it is no PostgreSQL server', options, (resolve, reject) => {
    const noServer = (detail: string) =>
      reject(
        unreachable(
          'DATABASE_TLS_MISSING',
          `What listens there is no PostgreSQL server: it ${detail} when asked for TLS.`,
        ),
      );
    socket.once('error', (error) => noServer(`failed (${error.message})`));
    socket.once('end', () => noServer('hung up'));
    socket.once('data', (answer) => {
      if (answer[0] === 0x53) return resolve();
      if (answer[0] !== 0x4e) return noServer('answered something else');
      reject(
        unreachable(
          'DATABASE_TLS_MISSING',
          'The server does not speak TLS, and the URL asks for it.',
        ),
      );
    });
    socket.write(sslRequest);
  });

function handshake(
  socket: Socket,
  address: DatabaseAddress,
  wanted: NonNullable<Awaited<ReturnType<typeof tlsOptions>>>,
  options: ProbeOptions & { now: Date },
): Promise<TlsProbe> {
  socket.removeAllListeners();
  return within('does not end the TLS handshake', options, (resolve, reject) => {
    const tls = openTls({
      ...wanted,
      socket,
      ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
      ...(address.directTls ? { ALPNProtocols: ['postgresql'] } : {}),
    });
    tls.once('error', (error) =>
      reject(
        unreachable(
          'DATABASE_CERTIFICATE_REJECTED',
          `TLS fails: ${error.message} (${errorCode(error) ?? 'no code'}).`,
          { cause: error },
        ),
      ),
    );
    tls.once('secureConnect', () => {
      const certificate = tls.getPeerCertificate();
      const validTo = new Date(certificate.valid_to);
      resolve({
        version: tls.getProtocol() ?? 'unknown',
        cipher: tls.getCipher().name,
        subject: String(certificate.subject?.CN ?? 'unknown'),
        issuer: String(certificate.issuer?.CN ?? 'unknown'),
        validTo: validTo.toISOString(),
        daysLeft: Math.floor((validTo.getTime() - options.now.getTime()) / 86_400_000),
        checked: verification(address),
      });
    });
  });
}

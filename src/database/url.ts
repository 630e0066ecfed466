import { isIP } from 'node:net';
import { invalid, type OperatorError } from '../system/errors.js';
import { registerSecretUrl } from '../system/redact.js';
import type { DatabaseTarget } from './target.js';

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

/** A database URL taken apart, as libpq reads it. Holds the password: never logged, never shown. */
export interface DatabaseAddress {
  /** A name, an address, or the directory of a socket. */
  host: string;
  port: number;
  user: string;
  password: string | undefined;
  database: string;
  /** As written; undefined when the URL says nothing. */
  sslMode: SslMode | undefined;
  /** File of the authorities to trust, or `system`. */
  rootCertificate: string | undefined;
  clientCertificate: string | undefined;
  clientKey: string | undefined;
  channelBinding: 'disable' | 'prefer' | 'require';
  /** TLS from the first byte (`sslnegotiation=direct`). */
  directTls: boolean;
  /** Startup options, such as `endpoint=ep-cool-name`. */
  options: string | undefined;
}

const shape = 'postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=require';

const malformed = (problem: string): OperatorError =>
  invalid('DATABASE_URL_INVALID', `The database URL ${problem}.`, {
    hint: `NEON_DB_URL has the form ${shape}; special characters in the password are written as %XX.`,
  });

/**
 * Takes a database URL apart. More forgiving than a URL parser where passwords are concerned: any
 * character may stand in them unescaped. Throws `DATABASE_URL_INVALID` (2), which quotes nothing.
 */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const scheme = /^postgres(?:ql)?:\/\//.exec(url.trim());
  if (scheme === null) throw malformed('does not begin with postgresql://');
  const rest = url.trim().slice(scheme[0].length);
  // Host, database and parameters hold no @; a password may.
  const at = rest.lastIndexOf('@');
  const login = at === -1 ? '' : rest.slice(0, at);
  const place = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest.slice(at + 1));
  if (place === null) throw malformed('cannot be read');
  const [, hostAndPort = '', path = '', query = ''] = place;
  const parameters = new URLSearchParams(query);
  const { host, port } = splitHost(hostAndPort, parameters);
  const colon = login.indexOf(':');
  const user = decode(colon === -1 ? login : login.slice(0, colon)) || parameters.get('user') || '';
  if (user === '') throw malformed('names no user');
  const password = colon === -1 ? parameters.get('password') : decode(login.slice(colon + 1));
  return {
    host,
    port,
    user,
    password: password || undefined,
    database: decode(path) || parameters.get('dbname') || user,
    sslMode: oneOf('sslmode', parameters.get('sslmode'), sslModes),
    rootCertificate: parameters.get('sslrootcert') ?? undefined,
    clientCertificate: parameters.get('sslcert') ?? undefined,
    clientKey: parameters.get('sslkey') ?? undefined,
    channelBinding:
      oneOf('channel_binding', parameters.get('channel_binding'), [
        'disable',
        'prefer',
        'require',
      ] as const) ?? 'prefer',
    directTls: parameters.get('sslnegotiation') === 'direct',
    options: parameters.get('options') ?? undefined,
  };
}

function splitHost(text: string, parameters: URLSearchParams): { host: string; port: number } {
  if (text.includes(',')) throw malformed('names several hosts; give one');
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(text);
  if (match === null) throw malformed('has a host that cannot be read');
  const host = match[1] ?? (decode(match[2] ?? '') || parameters.get('host') || '');
  if (host === '') throw malformed('names no host');
  const port = Number(match[3] || parameters.get('port') || 5432);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw malformed('has a port that is none (1 to 65535)');
  }
  return { host, port };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray % that is no escape: the text stands for itself.
    return text;
  }
}

function oneOf<T extends string>(
  name: string,
  value: string | null,
  allowed: readonly T[],
): T | undefined {
  if (value === null) return undefined;
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw malformed(`has an unknown ${name}; allowed are ${allowed.join(', ')}`);
}

/** Whether what is sent stays on this machine. */
export function isLoopback(host: string): boolean {
  if (host.startsWith('/') || host.toLowerCase() === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

export const isNeon = (host: string): boolean => /(^|\.)neon\.(tech|build)$/i.test(host);

/**
 * The database of a URL, as a target. Throws `DATABASE_URL_INVALID` and, for a server off loopback
 * without enforced TLS, `DATABASE_TLS_REQUIRED` (2).
 */
export function externalTarget(url: string): DatabaseTarget {
  registerSecretUrl(url);
  const { host, port, database, sslMode } = parseDatabaseUrl(url);
  const loopback = isLoopback(host);
  if (!loopback && !['require', 'verify-ca', 'verify-full'].includes(sslMode ?? '')) {
    throw invalid(
      'DATABASE_TLS_REQUIRED',
      `The database URL allows an unencrypted connection to ${host} (${sslMode === undefined ? 'it has no sslmode' : `sslmode=${sslMode}`}).`,
      {
        hint: 'Add ?sslmode=require to NEON_DB_URL; better, verify-full, which checks who answers.',
      },
    );
  }
  return {
    url,
    kind: 'external',
    endpoint: loopback ? 'loopback' : /^[^.]+-pooler\./.test(host) ? 'pooler' : 'direct',
    description: `${isIP(host) === 6 ? `[${host}]` : host}:${port}/${database}`,
  };
}

import {
  errorCode,
  errorMessage,
  failed,
  invalid,
  isOperatorError,
  type OperatorError,
  unreachable,
} from '../system/errors.js';
import { bookkeepingSchema } from './migrations.js';
import type { DatabaseTarget } from './target.js';

interface Known {
  make: (code: string, message: string, options: { hint: string; cause: unknown }) => OperatorError;
  code: string;
  what: string;
  hint: string;
}

const inspect = 'Run `reviewops db ping` for the details.';

/** How far a connection got before it failed. */
export type ConnectStage = 'DNS' | 'TCP' | 'TLS' | 'login' | 'database';

/** By SQLSTATE (or its class), or by the code of a Node network error. */
const known: Record<string, Known> = {
  '28P01': {
    make: unreachable,
    code: 'DATABASE_PASSWORD_REJECTED',
    what: 'The database refused the password',
    hint: 'Check the user and password in NEON_DB_URL; a password that was reset is dead at once.',
  },
  '28000': {
    make: unreachable,
    code: 'DATABASE_LOGIN_REJECTED',
    what: 'The database refused the login',
    hint: 'Check the user, sslmode=require and the server’s pg_hba.conf.',
  },
  '3D000': {
    make: unreachable,
    code: 'DATABASE_NOT_FOUND',
    what: 'The database does not exist',
    hint: 'Check the database name at the end of NEON_DB_URL.',
  },
  '42P01': {
    make: invalid,
    code: 'TABLE_NOT_FOUND',
    what: 'A table does not exist',
    hint: 'Run `reviewops db init`, or correct source.tables and source.entities in the configuration.',
  },
  '3F000': {
    make: invalid,
    code: 'SCHEMA_NOT_FOUND',
    what: 'A schema does not exist',
    hint: 'Run `reviewops db init`, or correct source.schema in the configuration.',
  },
  '42703': {
    make: invalid,
    code: 'COLUMN_NOT_FOUND',
    what: 'A column does not exist',
    hint: 'The table was changed: correct source.entities in the configuration, or restore the column.',
  },
  '42501': {
    make: failed,
    code: 'DATABASE_PERMISSION_DENIED',
    what: 'The role lacks a right',
    hint: 'Grant it to the role in NEON_DB_URL, or use a role that has it.',
  },
  '53100': {
    make: failed,
    code: 'DATABASE_DISK_FULL',
    what: 'The database server’s disk is full',
    hint: 'Free space on the server; nothing of this step was kept.',
  },
  '53300': {
    make: unreachable,
    code: 'DATABASE_TOO_MANY_CONNECTIONS',
    what: 'The server accepts no more connections',
    hint: 'Lower pipeline.parallelism, or end idle sessions.',
  },
  '55P03': {
    make: failed,
    code: 'DATABASE_LOCK_TIMEOUT',
    what: 'A lock was not free in time',
    hint: 'Another session holds it; see pg_locks, then run it again (database.lockTimeoutSeconds).',
  },
  '57014': {
    make: failed,
    code: 'DATABASE_STATEMENT_CANCELLED',
    what: 'The server cancelled the statement',
    hint: 'It ran into a time limit (database.statementTimeoutSeconds) or was cancelled by hand.',
  },
};

/** Codes that mean: there is no usable connection (any more). */
const lost =
  /^(08|57P0[123])|^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|EPIPE)$/;
const lostMessages =
  /Connection terminated|timeout expired|connection timeout|Client has encountered a connection error|not queryable/i;

/** As the driver puts it. */
const noPassword = /client password must be a/i;
const noTls = /does not support SSL|error establishing an SSL connection/i;
const badCertificate =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA)$/;

/**
 * Names a PostgreSQL or connection error: what, where (`target.description`, never the URL), what
 * next. An error it does not know keeps the server's message under `DATABASE_ERROR`; one that is not
 * the database's is returned as it is. `stage` is given while connecting.
 */
export function describeDatabaseError(
  error: unknown,
  target: DatabaseTarget,
  purpose: string,
  stage?: ConnectStage,
): unknown {
  if (isOperatorError(error)) return error;
  const code = errorCode(error) ?? '';
  const message = errorMessage(error);
  const where = `${target.description} (${purpose})`;
  if (code === '42P01' && message.includes(`${bookkeepingSchema}.`)) {
    return invalid(
      'SCHEMA_MISSING',
      `The database does not hold the tables of reviewops: ${message} — ${where}.`,
      {
        hint: 'Run `reviewops db init`; where that has nothing to do, `reviewops runbook run relation-not-found`.',
        cause: error,
      },
    );
  }
  const entry = known[code];
  if (entry !== undefined) {
    return entry.make(entry.code, `${entry.what}: ${message} — ${where}.`, {
      hint: target.kind === 'embedded' ? (ofEmbedded[code] ?? entry.hint) : entry.hint,
      cause: error,
    });
  }
  if (noPassword.test(message)) {
    return unreachable(
      'DATABASE_PASSWORD_MISSING',
      `The database asks for a password — ${where}.`,
      {
        hint: 'NEON_DB_URL holds none: write it between the user and the @, after a colon.',
        cause: error,
      },
    );
  }
  if (noTls.test(message)) {
    return unreachable('DATABASE_TLS_MISSING', `The server does not speak TLS — ${where}.`, {
      hint: 'Check host and port in NEON_DB_URL, or turn TLS on at the server (ssl = on).',
      cause: error,
    });
  }
  if (badCertificate.test(code)) {
    return unreachable(
      'DATABASE_CERTIFICATE_REJECTED',
      `The server’s certificate cannot be trusted: ${message} — ${where}.`,
      {
        hint: 'Name its authority with sslrootcert=FILE in NEON_DB_URL, or check that this is the right server.',
        cause: error,
      },
    );
  }
  if (stage !== undefined || lost.test(code) || lostMessages.test(message) || isSocket(error)) {
    const at = stage === undefined ? '' : `, at ${stage}`;
    return unreachable(
      'DATABASE_UNREACHABLE',
      `No connection to the database at ${where}${at}: ${message || code}.`,
      { hint: nextAfter(stage, target), cause: error },
    );
  }
  if (/^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)) {
    return failed('DATABASE_ERROR', `The database reports ${code}: ${message} — ${where}.`, {
      hint: inspect,
      cause: error,
    });
  }
  return error;
}

/** A Unix socket that is not there; ENOENT of a file that is read into a COPY is not ours. */
const isSocket = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && error.syscall === 'connect';

/** The embedded server has no URL to check. */
const ofEmbedded: Record<string, string> = {
  '28P01':
    'The password file and the server disagree: restore the file (reviewops local status names it), or start afresh with `reviewops local reset`.',
  '3D000': 'Start afresh with `reviewops local reset`.',
};

function nextAfter(stage: ConnectStage | undefined, target: DatabaseTarget): string {
  if (target.kind === 'embedded') return 'See `reviewops local status` and the log it names.';
  switch (stage) {
    case undefined:
      return inspect;
    case 'DNS':
      return 'Check the host name in NEON_DB_URL and this machine’s DNS.';
    case 'TCP':
      return 'Check host and port in NEON_DB_URL, that the server runs, and firewalls in between.';
    case 'TLS':
      return 'Check that host and port in NEON_DB_URL are a PostgreSQL server that speaks TLS.';
    default:
      return 'The server answers but lets nobody in: see its log, or try again when it has started.';
  }
}

import { invalid } from '../system/errors.js';
import type { Report } from '../system/progress.js';
import { registerSecret, registerSecretUrl } from '../system/redact.js';
import { readEnvironment, type Variable } from './environment.js';
import { createPseudonymKey, pseudonymKeyName } from './pseudonym-key.js';

/** What comes from the environment or `.env` and never from the configuration file. */
export interface Secrets {
  /** `NEON_DB_URL`, or its alias `DATABASE_URL`; undefined chooses the embedded server. */
  databaseUrl: string | undefined;
  /** `NEON_API_KEY`, for Neon’s control plane. */
  neonApiKey: string | undefined;
  /** Which secrets are set, and where; never a value. */
  origins: { key: string; source: string | undefined }[];
  /** At least 16 bytes; made once and kept in `<home>/.env` when nobody gave one. */
  pseudonymKey(): Promise<Uint8Array>;
}

export interface SecretOptions {
  home: string;
  cwd: string;
  environment: NodeJS.ProcessEnv;
  configFile: string | undefined;
  warn(message: string): void;
  report: Report;
}

/** Fewer bytes can be guessed by trying. */
const shortestKey = 16;

/** Reads the secrets; each is registered, so that nothing prints it. */
export async function loadSecrets(options: SecretOptions): Promise<Secrets> {
  const lookup = await readEnvironment(options);
  const url = lookup('NEON_DB_URL') ?? lookup('DATABASE_URL');
  const key = lookup(pseudonymKeyName);
  registerSecretUrl(url?.value);
  registerSecret(key?.value);
  const neonApiKey = lookup('NEON_API_KEY')?.value;
  registerSecret(neonApiKey);
  if (url !== undefined) checkUrl(url);
  return {
    databaseUrl: url?.value,
    neonApiKey,
    origins: [
      { key: 'NEON_DB_URL', source: url?.source },
      { key: pseudonymKeyName, source: key?.source },
    ],
    pseudonymKey: () => pseudonymKey(key, url !== undefined, options),
  };
}

function checkUrl({ value, source }: Variable): void {
  if (/^postgres(ql)?:\/\//.test(value) && URL.canParse(value)) return;
  throw invalid('DATABASE_URL_INVALID', `The database URL (${source}) is not a PostgreSQL URL.`, {
    hint: 'It looks like postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=require; special characters in the password are written as %XX.',
  });
}

async function pseudonymKey(
  given: Variable | undefined,
  external: boolean,
  options: SecretOptions,
): Promise<Uint8Array> {
  if (given !== undefined) return keyBytes(given);
  const { value, path, created } = await createPseudonymKey(options.home);
  registerSecret(value);
  if (created) {
    options.report({
      type: 'notice',
      message: external
        ? `A key for pseudonyms was made in ${path}. Everyone who runs the pipeline on this database needs the same ${pseudonymKeyName}: hand it on, and keep a copy.`
        : `A key for pseudonyms was made in ${path}; keep a copy.`,
    });
  }
  return keyBytes({ value, source: path });
}

function keyBytes({ value, source }: Variable): Uint8Array {
  const bytes = Buffer.from(value, 'utf8');
  if (bytes.length >= shortestKey) return bytes;
  throw invalid(
    'PSEUDONYM_KEY_WEAK',
    `${pseudonymKeyName} (${source}) has ${bytes.length} bytes; it needs at least ${shortestKey}.`,
    {
      hint: 'Make one with `openssl rand -base64 32`. Another key gives every person a new pseudonym.',
    },
  );
}

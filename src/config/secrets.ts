import type { Report } from '../system/progress.js';

/** What comes from the environment or `.env` and never from the configuration file. */
export interface Secrets {
  /** `NEON_DB_URL`, or its alias `DATABASE_URL`; undefined chooses the embedded server. */
  databaseUrl: string | undefined;
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

export async function loadSecrets(options: SecretOptions): Promise<Secrets> {
  const { NEON_DB_URL: url, DATABASE_URL: alias } = options.environment;
  return {
    databaseUrl: url ?? alias,
    pseudonymKey: async () => Buffer.from(options.environment.REVIEWOPS_PSEUDONYM_KEY ?? ''),
  };
}

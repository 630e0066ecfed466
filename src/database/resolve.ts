import type { Config } from '../config/schema.js';
import type { JobContext } from '../system/progress.js';
import { ensureEmbedded } from './embedded/index.js';
import type { DatabaseTarget } from './target.js';
import { externalTarget } from './url.js';

export interface ResolveOptions {
  /** `NEON_DB_URL` or its alias; empty counts as not set. */
  url: string | undefined;
  /** The state directory, where the embedded server lives. */
  home: string;
  settings: Config['database'];
  job: JobContext;
}

/**
 * The database to work with: the URL's and nothing else, or the embedded one, which is started when
 * it does not run. Connects to nothing else.
 */
export async function resolveDatabase(options: ResolveOptions): Promise<DatabaseTarget> {
  const { url, home, settings, job } = options;
  if (url !== undefined && url.trim() !== '') return externalTarget(url);
  return ensureEmbedded({ home, config: { database: settings }, ...job });
}

import { invalid } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import type { Runbook } from './engine/definition.js';

export interface CatalogueEntry {
  id: string;
  /** Definitions are loaded when one is wanted: start-up pays for none. */
  load(): Promise<Runbook>;
}

/** The built-in runbooks, by id. */
export const catalogue: readonly CatalogueEntry[] = [
  { id: 'corrupt-batch', load: async () => (await import('./corrupt-batch.js')).default },
  {
    id: 'database-connection',
    load: async () => (await import('./database-connection.js')).default,
  },
  { id: 'erase-person', load: async () => (await import('./erase-person.js')).default },
  { id: 'gold-incomplete', load: async () => (await import('./gold-incomplete.js')).default },
  { id: 'inconsistent-rows', load: async () => (await import('./inconsistent-rows.js')).default },
  { id: 'join-out-of-memory', load: async () => (await import('./join-out-of-memory.js')).default },
  { id: 'model-crash', load: async () => (await import('./model-crash.js')).default },
  { id: 'parquet-not-found', load: async () => (await import('./parquet-not-found.js')).default },
  { id: 'purge-batches', load: async () => (await import('./purge-batches.js')).default },
  { id: 'purge-logs', load: async () => (await import('./purge-logs.js')).default },
  { id: 'reject-rate', load: async () => (await import('./reject-rate.js')).default },
  { id: 'relation-not-found', load: async () => (await import('./relation-not-found.js')).default },
  { id: 'rotate-aws', load: async () => (await import('./rotate-aws.js')).default },
  { id: 'rotate-database', load: async () => (await import('./rotate-database.js')).default },
  { id: 'rotate-password', load: async () => (await import('./rotate-password.js')).default },
  { id: 's3-errors', load: async () => (await import('./s3-errors.js')).default },
  { id: 'silver-missing', load: async () => (await import('./silver-missing.js')).default },
  { id: 'slow-at-peak', load: async () => (await import('./slow-at-peak.js')).default },
  { id: 'vacuum', load: async () => (await import('./vacuum.js')).default },
  { id: 'vacuum-full', load: async () => (await import('./vacuum-full.js')).default },
];

export const loadAll = (entries: readonly CatalogueEntry[]): Promise<Runbook[]> =>
  Promise.all(entries.map((entry) => entry.load()));

/** @throws RUNBOOK_NOT_FOUND (exit 2), with the id that was probably meant */
export async function loadRunbook(
  id: string,
  entries: readonly CatalogueEntry[] = catalogue,
): Promise<Runbook> {
  const entry = entries.find((candidate) => candidate.id === id);
  if (entry !== undefined) return entry.load();
  const meant = nearest(
    id,
    entries.map((candidate) => candidate.id),
  );
  throw invalid('RUNBOOK_NOT_FOUND', `There is no runbook "${id}".`, {
    hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}\`reviewops runbook list\` lists them; with words it searches what you see.`,
  });
}

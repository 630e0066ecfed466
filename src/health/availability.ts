import { embeddedStatus } from '../database/embedded/status.js';
import { isNeon, parseDatabaseUrl } from '../database/url.js';
import { errorMessage } from '../system/errors.js';

/** What can be known of a database without opening a connection, which could wake it. */
export interface Availability {
  kind: 'embedded' | 'neon' | 'external';
  state: 'running' | 'suspended' | 'absent' | 'unknown';
  /** One line for a person. */
  summary: string;
}

export interface AvailabilityOptions {
  /** `NEON_DB_URL`; undefined for the embedded server. */
  url: string | undefined;
  home: string;
  neon: { api: string; project: string | undefined; key: string | undefined };
  signal: AbortSignal;
}

/** Asks the embedded server's files, or Neon's control plane; never the database itself. */
export async function databaseAvailability(options: AvailabilityOptions): Promise<Availability> {
  const { url, home } = options;
  if (url === undefined) return embeddedAvailability(home);
  const { host } = parseDatabaseUrl(url);
  if (isNeon(host) || options.neon.key !== undefined) return neonAvailability(host, options);
  return {
    kind: 'external',
    state: 'unknown',
    summary: 'nothing is known of it without a connection',
  };
}

async function embeddedAvailability(home: string): Promise<Availability> {
  const status = await embeddedStatus({ home });
  if (status.dataDirectory === null) {
    return { kind: 'embedded', state: 'absent', summary: 'the embedded database was never set up' };
  }
  return status.running
    ? { kind: 'embedded', state: 'running', summary: 'the embedded server runs' }
    : {
        kind: 'embedded',
        state: 'suspended',
        summary: 'the embedded server is stopped; it starts when it is needed',
      };
}

interface Endpoint {
  id: string;
  host: string;
  current_state: string;
  disabled: boolean;
}

async function neonAvailability(
  host: string,
  { neon, signal }: AvailabilityOptions,
): Promise<Availability> {
  const kind = 'neon';
  if (neon.key === undefined || neon.project === undefined) {
    const missing = neon.key === undefined ? 'NEON_API_KEY' : 'health.neonProject';
    return { kind, state: 'unknown', summary: `${missing} is not set` };
  }
  try {
    const address = `${neon.api}/projects/${encodeURIComponent(neon.project)}/endpoints`;
    const headers = { authorization: `Bearer ${neon.key}`, accept: 'application/json' };
    const response = await fetch(address, { headers, signal });
    if (!response.ok) {
      const summary = `Neon’s control plane answers ${response.status}`;
      return { kind, state: 'unknown', summary };
    }
    const { endpoints } = (await response.json()) as { endpoints: Endpoint[] };
    const endpoint = endpoints.find(({ id }) => host.startsWith(id));
    if (endpoint === undefined) {
      return { kind, state: 'absent', summary: `the project has no endpoint of ${host}` };
    }
    const { id, current_state: current, disabled } = endpoint;
    if (disabled) return { kind, state: 'absent', summary: `endpoint ${id} is disabled` };
    const state = current === 'active' ? 'running' : current === 'idle' ? 'suspended' : 'unknown';
    return { kind, state, summary: `endpoint ${id} is ${current}` };
  } catch (error) {
    const summary = `Neon’s control plane cannot be asked: ${errorMessage(error)}`;
    return { kind, state: 'unknown', summary };
  }
}

import type { EmbeddedStatus } from '../database/embedded/index.js';
import { formatBytes } from '../system/duration.js';
import { shellWord } from '../system/shell.js';
import { renderFields } from './table.js';
import { paint, type Terminal } from './terminal.js';

/** The embedded server as text, with the way to connect to it that shows no password. */
export function renderServer(server: EmbeddedStatus, terminal: Terminal): string {
  if (server.dataDirectory === null) {
    return 'There is no embedded server yet. `reviewops local start` sets one up.';
  }
  const fields: [string, string][] = [
    ['state', paint(terminal, server.running ? 'green' : 'yellow', server.state)],
    ['version', `PostgreSQL ${server.version}`],
    ['url', server.url ?? ''],
  ];
  if (server.pid !== null) fields.push(['process', `${server.pid}, since ${server.startedAt}`]);
  if (server.runAs !== null) fields.push(['runs as', server.runAs]);
  fields.push(['data', `${server.dataDirectory} (${formatBytes(server.sizeBytes)})`]);
  fields.push(['log', server.logFile ?? '']);
  if (server.running) {
    const login = `-h 127.0.0.1 -p ${server.port} -U reviewops reviewops`;
    fields.push(['connect', `PGPASSFILE=${shellWord(server.passwordFile ?? '')} psql ${login}`]);
  }
  return renderFields(fields, terminal);
}

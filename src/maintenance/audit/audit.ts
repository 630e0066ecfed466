import type { Config } from '../../config/schema.js';
import { withClient } from '../../database/client.js';
import type { DatabaseTarget } from '../../database/target.js';
import type { JobContext } from '../../system/progress.js';
import type { AuditFinding } from './finding.js';
import { roles } from './roles.js';
import { extensions, tls, transactionIds } from './server.js';
import {
  badIndexes,
  foreignKeysWithoutIndex,
  type TableSize,
  tableSizes,
  tablesWithoutKey,
} from './structure.js';

export interface AuditResult {
  database: string;
  /** The worst first. */
  findings: AuditFinding[];
  tables: TableSize[];
}

const order = ['critical', 'warning', 'unknown', 'info'];

/** Looks at what the database is like, in a session that cannot write. Reads no row of anybody. */
export async function auditDatabase(
  target: DatabaseTarget,
  config: Config,
  { signal }: JobContext,
): Promise<AuditResult> {
  const { source, serving } = config;
  const business = [...new Set([source.schema, serving.schema])];
  const schemas = [...business, 'maintenance'];
  const options = { purpose: 'audit', settings: config.database, signal, readOnly: true };
  return withClient(target, options, async (client) => {
    const findings = [
      ...(await tls(client, target)),
      ...(await roles(client, { schemas: business, serving })),
      ...(await tablesWithoutKey(client, schemas)),
      ...(await foreignKeysWithoutIndex(client, schemas)),
      ...(await badIndexes(client, schemas)),
      ...(await transactionIds(client)),
      ...(await extensions(client)),
    ];
    findings.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
    return { database: target.description, findings, tables: await tableSizes(client, schemas) };
  });
}

import type { Lake } from '../lake/lake.js';
import { certificateKey } from '../lake/privacy-layout.js';
import { failed, invalid } from '../system/errors.js';
import { addDays } from './deadline.js';
import type { JournalHead } from './journal.js';
import { serialise } from './requests.js';
import type { Verification } from './verification.js';

/** What keeps erased data for a while, and until when. */
export interface Pending {
  what: string;
  /** ISO 8601; null where no date is known: a person has to act. */
  until: string | null;
}

/** What was erased, what was not, and how that is known. Holds no identifier. */
export interface Certificate {
  format: 1;
  requestId: string;
  /** `provisional` until the last residual has expired; `incomplete` while something remains. */
  state: 'provisional' | 'final' | 'incomplete';
  receivedAt: string;
  dueAt: string;
  erasedAt: string;
  issuedAt: string;
  runId: string;
  planHash: string;
  approvals: { by: string; how: string; at: string }[];
  foundBy: { place: string; via: string; rows: number }[];
  database: { tables: { table: string; rows: number; action: string }[] };
  lake: {
    filesScanned: number;
    filesRewritten: number;
    rowsRemoved: number;
    versionsPurged: number;
    objects: { key: string; action: string; rows: number }[];
  };
  verification: Verification;
  kept: { table: string; rows: number; reason: string; owner: string; reviewAt: string }[];
  /** Not erased, with the reason. */
  remaining: { place: string; rows: number; why: string }[];
  /** Somebody else's texts that mention the person. */
  forReview: { place: string; rows: number }[];
  pending: Pending[];
  /** Of the privacy journal when this was written. */
  journal: JournalHead;
}

/** What keeps erased data for some days yet, with the moment at which it lets go. */
export const residualsOf = (
  residuals: readonly { what: string; days: number }[],
  erasedAt: Date,
): Pending[] =>
  residuals.map(({ what, days }) => ({ what, until: addDays(erasedAt, days).toISOString() }));

/** `final` once all that keeps erased data has let go of it, and nothing remains. */
export function stateOf(
  { pending, remaining, forReview }: Pick<Certificate, 'pending' | 'remaining' | 'forReview'>,
  now: Date,
): Certificate['state'] {
  if (remaining.length > 0 || forReview.length > 0) return 'incomplete';
  const open = pending.some(({ until }) => until === null || new Date(until) > now);
  return open ? 'provisional' : 'final';
}

/** Writes the certificate of its request, in place of the one before. */
export async function writeCertificate(lake: Lake, certificate: Certificate): Promise<void> {
  await lake.put(certificateKey(certificate.requestId), serialise(certificate));
}

/** @throws CERTIFICATE_NOT_FOUND (exit 2) */
export async function readCertificate(lake: Lake, requestId: string): Promise<Certificate> {
  const found = await lake.readVersion(certificateKey(requestId));
  if (found === undefined) {
    throw invalid('CERTIFICATE_NOT_FOUND', `Request ${requestId} has no certificate.`, {
      hint: `It is written when the erasure is proven: reviewops gdpr erase ${requestId}`,
    });
  }
  try {
    return JSON.parse(found.body.toString('utf8')) as Certificate;
  } catch (cause) {
    throw failed('CERTIFICATE_DAMAGED', `The certificate of ${requestId} cannot be read.`, {
      cause,
    });
  }
}

/** The certificate for people. */
export function certificateText(certificate: Certificate): string {
  const { requestId, state, database, lake, verification } = certificate;
  const rows = (list: readonly string[]) => (list.length === 0 ? ['- none'] : list);
  return [
    `# Certificate of erasure: ${requestId}`,
    '',
    `State: ${state}. Received ${certificate.receivedAt}, due ${certificate.dueAt}, erased ${certificate.erasedAt}.`,
    `Run ${certificate.runId}, plan ${certificate.planHash}.`,
    ...certificate.approvals.map(({ by, how, at }) => `Approved by ${by} (${how}) at ${at}.`),
    '',
    '## Found by',
    '',
    ...rows(
      certificate.foundBy.map(({ place, via, rows: n }) => `- ${place}: ${n} rows by ${via}`),
    ),
    '',
    '## Database',
    '',
    ...rows(
      database.tables.map(({ table, rows: n, action }) => `- ${table}: ${n} rows, ${action}`),
    ),
    '',
    '## Lake',
    '',
    `${lake.filesScanned} files searched, ${lake.filesRewritten} rewritten, ${lake.rowsRemoved} rows removed, ${lake.versionsPurged} old versions purged.`,
    '',
    '## Verification',
    '',
    `${verification.tablesRead} tables and ${verification.filesRead} files were read again; ${verification.found.length === 0 ? 'nothing of the person was found' : 'something was found'}.`,
    ...verification.limits,
    '',
    '## Kept, with its ground',
    '',
    ...rows(
      certificate.kept.map(
        ({ table, rows: n, reason, owner, reviewAt }) =>
          `- ${table}: ${n} rows; ${reason}; ${owner}; to be reviewed on ${reviewAt}`,
      ),
    ),
    '',
    '## Remaining',
    '',
    ...rows(
      certificate.remaining.map(({ place, rows: n, why }) => `- ${place}: ${n} rows; ${why}`),
    ),
    '',
    "## Somebody else's texts that mention the person",
    '',
    ...rows(certificate.forReview.map(({ place, rows: n }) => `- ${place}: ${n} rows`)),
    '',
    '## Residuals',
    '',
    ...rows(
      certificate.pending.map(({ what, until }) => `- ${what}: until ${until ?? 'somebody acts'}`),
    ),
    '',
    `Journal: ${certificate.journal.entries} entries, head ${certificate.journal.hash}.`,
    '',
  ].join('\n');
}

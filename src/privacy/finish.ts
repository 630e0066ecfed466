import type { Lake } from '../lake/lake.js';
import { foundKey } from '../lake/privacy-layout.js';
import { type Certificate, readCertificate, stateOf, writeCertificate } from './certificate.js';
import { forget, runsOf } from './found.js';
import { PrivacyJournal } from './journal.js';
import { listRequests, type RequestRecord, updateRequest } from './requests.js';

interface FinishOptions {
  home: string;
  now: () => Date;
}

/**
 * The certificate as of now. Once nothing keeps erased data any more it becomes final, and what was
 * sealed to prove it is forgotten.
 */
export async function currentCertificate(
  lake: Lake,
  requestId: string,
  { home, now }: FinishOptions,
): Promise<Certificate> {
  const written = await readCertificate(lake, requestId);
  const state = stateOf(written, now());
  if (state === written.state) return written;
  const certificate = { ...written, state, issuedAt: now().toISOString() };
  await writeCertificate(lake, certificate);
  if (state !== 'final') return certificate;
  const finalAt = now().toISOString();
  const record = await updateRequest(
    lake,
    requestId,
    (present): RequestRecord => ({ ...present, state: 'final', sealed: null, finalAt }),
  );
  await forgetOldRecords(lake, record);
  await new PrivacyJournal(home, now).append({ type: 'final', requestIds: [requestId] });
  return certificate;
}

/** Sealed identifiers, in old versions of the record and beside it. */
async function forgetOldRecords(lake: Lake, record: RequestRecord): Promise<void> {
  const { requestId } = record;
  const others = (await listRequests(lake)).filter(
    (other) => other.requestId !== requestId && other.state !== 'final',
  );
  const needed = new Set(others.flatMap(runsOf));
  for (const runId of runsOf(record)) if (!needed.has(runId)) await forget(lake, foundKey(runId));
  const { requestKey } = await import('../lake/privacy-layout.js');
  const key = requestKey(requestId);
  const old: { key: string; versionId: string }[] = [];
  if (lake.versions === undefined) return;
  for await (const version of lake.versions.list(key)) {
    if (version.key === key && !version.latest) old.push({ key, versionId: version.versionId });
  }
  await lake.versions.remove(old);
}

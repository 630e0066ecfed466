import type { Certificate } from '../../privacy/certificate.js';
import { emptyVerification, type Verification } from '../../privacy/verification.js';
import type { Finding, JsonObject, Verified } from '../engine/definition.js';
import { type EraseContext, journalled, plannedObjects, requestsOf, workOf } from './erase.js';

/** What an erasure left, by what its verification read. */
export type Outcome = Pick<Certificate, 'verification' | 'remaining' | 'forReview'>;

/** Reads everything again; objects that the plan leaves, with their reason, may hold the person. */
export async function verifyAgain(context: EraseContext): Promise<Finding> {
  const { verifyErasure } = await import('../../privacy/verify.js');
  const { readFound } = await import('../../privacy/found.js');
  const { lake, keys, ...work } = await workOf(context);
  const { needles } = await readFound(lake, keys, context.runId);
  const verification = await verifyErasure({ ...work, lake, keys }, needles);
  const allowed = new Set(
    plannedObjects(context).flatMap(({ key, versionId, action, retained }) => [
      ...(action === 'remains' ? [key, `${key}@${versionId}`] : []),
      ...(retained === null ? [] : [`${key}@${versionId}`]),
    ]),
  );
  const left = verification.found.filter(({ place }) => !allowed.has(place));
  const bad = [
    ...left.map(({ place, rows }) => `${place}: ${rows}`),
    ...verification.unread.map(({ place }) => `${place}: not readable`),
  ];
  const evidence = { ...verification, found: left } as unknown as JsonObject;
  const read = `${verification.tablesRead} tables and ${verification.filesRead} files read`;
  return bad.length === 0
    ? { state: 'ok', summary: `${read}: nothing of the person is found.`, evidence }
    : {
        state: 'critical',
        summary: `${read}: the person is still in ${bad.slice(0, 10).join(', ')}.`,
        evidence,
      };
}

/** What the verification of this run found, and what stays with its reason. */
export function outcomeOf(context: EraseContext): Outcome {
  const read = context.results.verify?.finding?.evidence as unknown as Verification | undefined;
  const verification = read ?? emptyVerification();
  const remaining = plannedObjects(context).flatMap(
    ({ key, versionId, rows, why, action, treatment, retained }) => {
      if (retained !== null) {
        return [{ place: `${key}@${versionId}`, rows, why: `retained until ${retained}` }];
      }
      return action === 'remains' && treatment !== 'keep'
        ? [{ place: key, rows, why: why ?? '' }]
        : [];
    },
  );
  return { verification, remaining, forReview: verification.mentioned };
}

/** Whether every request has its certificate, and what they name as left. */
export async function documented(context: EraseContext): Promise<Verified> {
  const { certificateKey } = await import('../../lake/privacy-layout.js');
  const { readCertificate } = await import('../../privacy/certificate.js');
  const lake = await context.services.lake();
  const open: string[] = [];
  const states: JsonObject = {};
  for (const { requestId, runId, state } of await requestsOf(context)) {
    const there = (await lake.head(certificateKey(requestId))) !== undefined;
    if (!there || runId !== context.runId || state === 'open') open.push(requestId);
    else states[requestId] = (await readCertificate(lake, requestId)).state;
  }
  if (open.length > 0) {
    return { done: false, summary: `Without a certificate: ${open.join(', ')}.` };
  }
  const type = context.input.replay ? 'replayed' : 'certified';
  if (!(await journalled(context, type))) {
    return { done: false, summary: 'The journal does not say so yet.' };
  }
  const { remaining, forReview } = outcomeOf(context);
  const remains = [
    ...remaining.map(({ place, why }) => `${place}: ${why}.`),
    ...forReview.map(({ place, rows }) => `${place}: ${rows} texts name the person.`),
  ];
  return {
    done: true,
    summary: 'The certificates are written.',
    evidence: { certificates: states, remaining, forReview },
    ...(remains.length === 0 ? {} : { remains: remains.join(' ') }),
  };
}

import { stat } from 'node:fs/promises';
import type { CredentialKind } from '../../credentials/record.js';
import { isLoopback, parseDatabaseUrl } from '../../database/url.js';
import { pseudonymKeyId } from '../../pipeline/pseudonym.js';
import { errorCode } from '../../system/errors.js';
import {
  type Check,
  critical,
  type Finding,
  judged,
  ok,
  several,
  skipped,
  stateOf,
  type Threshold,
  tenth,
  unknown,
  warning,
} from '../check.js';

/** What people have to look after: credentials, keys, the record of what was done. */

const group = 'operations';
const dayMilliseconds = 86_400_000;
const rotation = { id: 'rotate-database', input: {} };

export const journals: Check = {
  name: 'journals',
  title: 'Journals of runbooks',
  group,
  needs: ['local'],
  run: async ({ journals: read }) => {
    const { checked, broken } = await read();
    const shared = { value: broken.length, unit: 'count' as const, evidence: { checked, broken } };
    if (broken.length === 0) return ok(`${checked} whole`, shared);
    return critical(`changed or unreadable: ${several(broken.map(({ runId }) => runId))}`, {
      ...shared,
      next: `Keep the file as evidence. ${broken[0]?.problem ?? ''}`,
    });
  },
};

export const pseudonymKey: Check = {
  name: 'pseudonym-key',
  title: 'Key of the pseudonyms',
  group,
  needs: ['lake'],
  run: async ({ lake, pseudonymKey: ask }) => {
    const recent = await (await lake()).recent();
    const made = recent.flatMap(({ batchId, manifests }) =>
      manifests
        .filter(({ layer }) => layer === 'silver')
        .map(({ settings }) => ({ batchId, id: settings.pseudonymKeyId })),
    )[0];
    const key = await ask();
    const present = key === undefined ? undefined : pseudonymKeyId(key);
    if (made === undefined) {
      return present === undefined
        ? skipped('there is no key yet, and no batch that was made with one')
        : ok('there is a key; no batch was made with it yet');
    }
    if (typeof made.id !== 'string') return unknown(`batch ${made.batchId} does not name its key`);
    const cure = {
      evidence: { batchId: made.batchId, ofBatch: made.id, present: present ?? null },
      runbook: { id: 'silver-missing', input: { batchId: made.batchId } },
      next: 'Set REVIEWOPS_PSEUDONYM_KEY to the key the lake was made with; with another one every person gets a new pseudonym.',
    };
    if (present === undefined) {
      return critical(`there is no key here; batch ${made.batchId} was made with one`, cure);
    }
    return made.id === present
      ? ok(`the one that batch ${made.batchId} was made with`, { evidence: cure.evidence })
      : critical(`another one than batch ${made.batchId} was made with`, cure);
  },
};

const ageOf = (day: string, now: Date): number =>
  (now.getTime() - Date.parse(`${day}T00:00:00Z`)) / dayMilliseconds;

interface KnownAge {
  days: number;
  /** How it is known. */
  source: string;
}

function judgeAge(
  what: string,
  { days, source }: KnownAge,
  threshold: Threshold,
  runbook: string,
): Finding {
  const age = Math.max(0, Math.floor(days));
  return judged(stateOf(days, threshold), `${what} is ${age} days old (${source})`, {
    value: tenth(days),
    unit: 'days',
    threshold,
    evidence: { source },
    runbook: { id: runbook, input: {} },
    next: 'Rotate it: see `reviewops credentials status`.',
  });
}

/** By what was rotated or seen here, else by the day in the configuration; without an id, the newest. */
async function knownAge(
  home: string,
  kind: CredentialKind,
  id: string | undefined,
  { day, source, now }: { day: string | undefined; source: string; now: Date },
): Promise<KnownAge | undefined> {
  const { readLedger } = await import('../../credentials/ledger.js');
  const entry = (await readLedger(home)).find(
    (one) => one.kind === kind && (id === undefined || one.id === id),
  );
  if (entry !== undefined) {
    const days = (now.getTime() - Date.parse(entry.madeAt)) / dayMilliseconds;
    return { days, source: entry.by === 'rotation' ? 'rotated here' : 'as IAM says' };
  }
  return day === undefined ? undefined : { days: ageOf(day, now), source };
}

export const passwordAge: Check = {
  name: 'password-age',
  title: 'Age of the database password',
  group,
  needs: ['database'],
  run: async ({ config, database, home, now }) => {
    const threshold = config.health.passwordDays;
    const probe = await database();
    if (probe.target.kind === 'embedded') {
      const made = await passwordFileTime(home);
      if (made === undefined) return skipped('of a server on this machine, which makes its own');
      // Known only to this machine and its owner: nothing is gained by rotating it.
      return ok('of the embedded server, known to this machine only', {
        evidence: { madeAt: made.toISOString() },
      });
    }
    const { rolvaliduntil: until, role } = await probe.one<{
      role: string;
      rolvaliduntil: Date | null;
    }>(
      `SELECT rolname AS role, CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END AS rolvaliduntil
       FROM pg_roles WHERE rolname = session_user`,
    );
    if (until !== null) {
      const left = (until.getTime() - now().getTime()) / dayMilliseconds;
      const evidence = { validUntil: until.toISOString() };
      const next = 'Rotate it: see `reviewops credentials status`.';
      const text = `the password of ${role} ends in ${Math.max(0, Math.floor(left))} days`;
      if (left < 30) {
        const finding = left < 7 ? critical : warning;
        return finding(text, {
          value: tenth(left),
          unit: 'days',
          evidence,
          runbook: rotation,
          next,
        });
      }
    }
    const known = await knownAge(home, 'database', role, {
      day: config.health.databasePasswordSetOn,
      source: 'health.databasePasswordSetOn',
      now: now(),
    });
    if (known !== undefined) {
      return judgeAge(`the password of ${role}`, known, threshold, rotation.id);
    }
    if (isLoopback(parseDatabaseUrl(probe.target.url).host)) {
      return skipped('of a server on this machine; its age is not recorded', { threshold });
    }
    return unknown('nothing says when it was set', {
      threshold,
      next: 'Record the day in health.databasePasswordSetOn, or rotate it.',
      runbook: rotation,
    });
  },
};

async function passwordFileTime(home: string): Promise<Date | undefined> {
  const { passwordFile } = await import('../../database/embedded/record.js');
  try {
    return (await stat(passwordFile(home))).mtime;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export const accessKeyAge: Check = {
  name: 'access-key-age',
  title: 'Age of the AWS access key',
  group,
  needs: ['local'],
  run: async ({ config, home, now }) => {
    const { lake, health } = config;
    const remote = [lake.kind, ...Object.values(lake.layers).map(({ kind }) => kind)];
    if (!remote.includes('s3')) return skipped('the lake is on this machine');
    const threshold = health.accessKeyDays;
    const known = await knownAge(home, 'aws', undefined, {
      day: health.accessKeySetOn,
      source: 'health.accessKeySetOn',
      now: now(),
    });
    if (known === undefined) {
      return unknown('nothing says when it was made', {
        threshold,
        next: 'Ask IAM with `reviewops credentials status`, or record the day in health.accessKeySetOn.',
        runbook: { id: 'rotate-aws', input: {} },
      });
    }
    return judgeAge('the access key', known, threshold, 'rotate-aws');
  },
};

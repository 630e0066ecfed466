import type { Certificate } from '../privacy/certificate.js';
import type { DiscoveryWork } from '../privacy/erasure-plan.js';
import type { PrivacyKeys } from '../privacy/keys.js';
import type { RunReport } from '../runbooks/engine/report.js';
import { ExitCode, invalid } from '../system/errors.js';
import type { CommandContext } from './context.js';
import type { RunbookFlags } from './runbook-answers.js';
import { requireSuccess, runRunbookCommand } from './runbook-command.js';

/** What erasing says of itself. */
export interface EraseResult {
  requestId: string | null;
  requestIds: string[];
  runId: string;
  planHash: string | null;
  dryRun: boolean;
  database: Certificate['database'];
  lake: Omit<Certificate['lake'], 'objects'>;
  verified: boolean;
  foundBy: Certificate['foundBy'];
  remaining: Certificate['remaining'];
  pending: Certificate['pending'];
  /** Texts of others that name the person, in the plan or as they were found afterwards. */
  forReview: Certificate['forReview'];
  notes: string[];
}

export async function keysOf(context: CommandContext): Promise<PrivacyKeys> {
  const [{ derivePrivacyKeys }, secrets] = await Promise.all([
    import('../privacy/keys.js'),
    context.secrets(),
  ]);
  return derivePrivacyKeys(await secrets.pseudonymKey());
}

/** What a search works with. */
export async function discoveryWork(context: CommandContext): Promise<DiscoveryWork> {
  const [{ withState }, lake, config, secrets] = await Promise.all([
    import('../privacy/with-state.js'),
    context.lake(),
    context.config(),
    context.secrets(),
  ]);
  return {
    lake: withState(lake, context.home),
    config,
    pseudonymKey: await secrets.pseudonymKey(),
    keys: await keysOf(context),
    scratch: await context.scratch(),
    job: context.job,
    target: await context.database(),
    readOnly: true,
  };
}

/** What remains, or is for a person, is no full success: the certificate says where. */
export const eraseExitCode = ({ remaining, forReview, dryRun }: EraseResult): ExitCode =>
  remaining.length + forReview.length > 0 && !dryRun ? ExitCode.partial : ExitCode.done;

/** Runs the erasure, or its plan, to its end; throws what kept it from succeeding. */
export async function runErasure(
  context: CommandContext,
  input: { requestIds?: string[]; due?: boolean; replay?: boolean },
  flags: RunbookFlags,
): Promise<EraseResult> {
  const report = await runRunbookCommand(context, 'erase-person', input, flags);
  requireSuccess(report);
  return resultOf(context, report, flags.dryRun === true);
}

async function resultOf(
  context: CommandContext,
  report: RunReport,
  dryRun: boolean,
): Promise<EraseResult> {
  const { plan, steps, runId, planHash } = report;
  const targets = plan?.targets ?? [];
  const requestIds = targets.filter(({ type }) => type === 'request').map(({ name }) => name);
  const totals = (plan?.totals ?? {}) as Record<string, number>;
  const documented = steps.find(({ id }) => id === 'document')?.verified?.evidence;
  const left = documented as Pick<Certificate, 'remaining' | 'forReview'> | undefined;
  const certificates = dryRun ? [] : await certificatesOf(context, requestIds);
  return {
    requestId: requestIds.length === 1 ? (requestIds[0] ?? null) : null,
    requestIds,
    runId,
    planHash,
    dryRun,
    database: {
      tables: targets
        .filter(({ type }) => type === 'table')
        .map(({ name, action, state }) => ({ table: name, rows: Number(state.rows), action })),
    },
    lake: {
      filesScanned: totals.filesScanned ?? 0,
      filesRewritten: totals.filesRewritten ?? 0,
      rowsRemoved: totals.rowsRemoved ?? 0,
      versionsPurged: totals.versionsPurged ?? 0,
    },
    verified: steps.some(({ id, finding }) => id === 'verify' && finding?.state === 'ok'),
    foundBy: (plan?.totals.foundBy ?? []) as Certificate['foundBy'],
    // Of this run: a replay leaves the certificates as they were.
    remaining: left?.remaining ?? [],
    // One pass, one certificate for each request: all say the same.
    pending: certificates[0]?.pending ?? [],
    forReview: dryRun
      ? targets
          .filter(({ type }) => type === 'text')
          .map(({ name, state }) => ({ place: name, rows: Number(state.rows) }))
      : (left?.forReview ?? []),
    notes: plan?.notes ?? [],
  };
}

async function certificatesOf(
  context: CommandContext,
  requestIds: readonly string[],
): Promise<Certificate[]> {
  const { readCertificate } = await import('../privacy/certificate.js');
  const lake = await context.lake();
  return Promise.all(requestIds.map((requestId) => readCertificate(lake, requestId)));
}

/** `command` is what does what a dry run has planned: `gdpr erase DSR-2026-0042`. */
export function eraseLines(result: EraseResult, command: string): string[] {
  if (result.requestIds.length === 0) return ['No request is open: there is nobody to erase.'];
  const { database, lake, verified, remaining, pending, forReview, dryRun, planHash, notes } =
    result;
  const lines = [
    ...database.tables.map(({ table, rows, action }) => `${table}: ${rows} rows, ${action}`),
    `Lake: ${lake.filesScanned} files searched, ${lake.filesRewritten} ${dryRun ? 'to rewrite' : 'rewritten'}, ${lake.rowsRemoved} rows, ${lake.versionsPurged} old versions.`,
    ...notes.map((note) => `- ${note}`),
  ];
  if (dryRun)
    return [...lines, `Nothing was changed. To do it: reviewops ${command} --plan ${planHash}`];
  return [
    ...lines,
    verified ? 'Read again: nothing of the person was found.' : 'Not verified.',
    ...remaining.map(({ place, why }) => `REMAINS: ${place}: ${why}`),
    ...forReview.map(({ place, rows }) => `TO REVIEW: ${place}: ${rows} texts name the person.`),
    ...pending.map(({ what, until }) => `Until ${until?.slice(0, 10) ?? 'somebody acts'}: ${what}`),
  ];
}

/** Identifiers from a file, a pipe or a person; never from arguments. */
export async function readIdentifierText(
  context: CommandContext,
  file: string | undefined,
): Promise<string> {
  if (file !== undefined && file !== '-') {
    const { readFile } = await import('node:fs/promises');
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw invalid('FILE_NOT_READABLE', `${file} cannot be read.`, { cause });
    }
  }
  if (file === undefined && context.interactive) return askForThem(context);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function askForThem(context: CommandContext): Promise<string> {
  const given: Record<string, string> = {};
  for (const kind of ['customer', 'buyer', 'email', 'phone']) {
    const said = (await context.ask(`${kind} (nothing: not known): `))?.trim() ?? '';
    if (said !== '') given[kind] = said;
  }
  return JSON.stringify(given);
}

import { join } from 'node:path';
import { formatSeconds } from '../../system/duration.js';
import { writeFileAtomic } from '../../system/files.js';
import type { JournalEntry } from './events.js';
import { summarise } from './history.js';
import { readJournal } from './journal.js';
import { emptyMemory, remember } from './memory.js';

export interface ReportFiles {
  json: string;
  markdown: string;
}

/**
 * Writes what a destructive run planned, who approved it, what was done and verified, and how long
 * it took: `<home>/reports/<runId>.json` and `.md`. Made from the journal alone.
 */
export async function writeReport(home: string, runId: string): Promise<ReportFiles> {
  const { entries } = await readJournal(home, runId);
  const base = join(home, 'reports', runId);
  const files = { json: `${base}.json`, markdown: `${base}.md` };
  const report = reportOf(entries);
  await writeFileAtomic(files.json, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  await writeFileAtomic(files.markdown, reportText(report), { mode: 0o600 });
  return files;
}

type Report = ReturnType<typeof reportOf>;

function reportOf(entries: readonly JournalEntry[]) {
  const memory = emptyMemory();
  for (const { event } of entries) remember(memory, event);
  const approvals = entries.flatMap(({ at, event }) =>
    event.type === 'approval.given' ? [{ at, by: event.by, how: event.how, plan: event.plan }] : [],
  );
  const manual = entries.flatMap(({ at, event }) =>
    event.type === 'manual.recorded'
      ? [{ at, step: event.step, by: event.by, said: event.said }]
      : [],
  );
  return {
    run: summarise(entries, false),
    plan: memory.plan?.plan ?? null,
    planHash: memory.plan?.hash ?? null,
    approvals,
    manual,
    steps: Object.values(memory.results),
  };
}

function reportText({ run, plan, planHash, approvals, steps }: Report): string {
  const lines = [
    `# ${run?.title ?? ''}: ${run?.state ?? ''}`,
    '',
    `Run \`${run?.runId ?? ''}\` of \`${run?.runbook ?? ''}\`, ${run?.startedAt ?? ''} to ${run?.finishedAt ?? ''} (${formatSeconds(run?.seconds ?? 0)}).`,
    ...(run?.reason ? ['', cell(run.reason)] : []),
    '',
    '## Plan',
    '',
    `${plan?.summary ?? ''} Hash: \`${planHash ?? ''}\`.`,
    '',
    ...(plan?.notes ?? []).map((note) => `- ${cell(note)}`),
    '',
    ...table(
      ['target', 'action', 'state when planned'],
      (plan?.targets ?? []).map(({ type, name, action, state }) => [
        `${type} ${name}`,
        action,
        JSON.stringify(state),
      ]),
    ),
    '',
    '## Approvals',
    '',
    ...table(
      ['by', 'at', 'how'],
      approvals.map(({ by, at, how }) => [by, at, how]),
    ),
    '',
    '## Steps',
    '',
    ...table(
      ['step', 'kind', 'state', 'time', 'summary'],
      steps.map(({ id, kind, state, seconds, summary, verified }) => [
        id,
        kind,
        verified?.done === true ? `${state}, verified` : state,
        seconds === null ? '' : formatSeconds(seconds),
        summary,
      ]),
    ),
  ];
  return `${lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return ['None.'];
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(line)];
}

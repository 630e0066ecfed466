import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PostMortem } from '../incidents/postmortem.js';
import type { MonthlyReport } from '../incidents/report.js';
import { refused } from '../system/errors.js';
import { writeFileAtomic } from '../system/files.js';
import { redact, redactDeep } from '../system/redact.js';
import type { CommandContext } from './context.js';
import { renderReport } from './incident-report-text.js';
import { incidentId, withIncidents } from './incidents.js';
import { pipelineRunsOf, runsOfIncident } from './runs-of-incident.js';

/** @throws FILE_EXISTS (exit 3): people may have filled in what is there */
export async function writePostMortem(
  context: CommandContext,
  id: string,
  output: string | undefined,
): Promise<{ postmortem: PostMortem; markdown: string; file: string | null }> {
  const [{ postMortem }, { postMortemMarkdown }, { readIncident }] = await Promise.all([
    import('../incidents/postmortem.js'),
    import('../incidents/postmortem-text.js'),
    import('../incidents/store.js'),
  ]);
  const number = incidentId(id);
  const file = output === undefined ? null : resolve(context.cwd, output);
  if (file !== null && existsSync(file)) {
    throw refused('FILE_EXISTS', `${file} is there already; nothing was written.`, {
      hint: 'Name another file with --output.',
    });
  }
  const made = await withIncidents(context, async (store) => {
    const incident = await readIncident(store.client, number);
    const ran = {
      runbooks: await runsOfIncident(context, store, incident),
      pipeline: await pipelineRunsOf(store, incident),
    };
    return postMortem(incident, ran, store.config, store.now());
  });
  const clean = redactDeep(made) as PostMortem;
  const markdown = postMortemMarkdown(clean);
  if (file !== null) await writeFileAtomic(file, markdown);
  return { postmortem: clean, markdown, file };
}

export async function makeReport(
  context: CommandContext,
  month: string,
  format: 'text' | 'csv' | 'html',
  output: string | undefined,
): Promise<{ report: MonthlyReport; text: string; file: string | null }> {
  const [{ monthlyReport }, { reportCsv, reportHtml }] = await Promise.all([
    import('../incidents/report.js'),
    import('../incidents/report-formats.js'),
  ]);
  const report = await withIncidents(context, (store) => monthlyReport(store, month));
  const plain = () => `${renderReport(report, { color: false, width: 100 })}\n`;
  const write = { text: plain, csv: () => reportCsv(report), html: () => reportHtml(report) };
  const text = redact(write[format]());
  const file = output === undefined ? null : resolve(context.cwd, output);
  if (file !== null) await writeFileAtomic(file, text);
  return { report, text, file };
}

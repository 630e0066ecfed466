import { join } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { discoveryWork, keysOf } from '../../cli/gdpr-command.js';

interface GdprExportResult {
  requestId: string;
  directory: string;
  tables: { place: string; rows: number; files: string[] }[];
  /** What may hold more of the person. */
  notSearched: string[];
}

export default class GdprExport extends ReviewopsCommand<GdprExportResult> {
  static override summary = "Write the person's data as JSON and CSV (a request for access).";
  static override description =
    'The same search as an erasure. The files are readable by their owner only; delete them when the person has them.';
  static override examples = ['<%= config.bin %> gdpr export DSR-2026-0042 --to ./answer'];
  static override args = {
    request: Args.string({ required: true, description: 'Id of the request.' }),
  };
  static override flags = {
    to: Flags.string({ required: true, helpValue: 'DIR', description: 'Directory for the files.' }),
  };

  override async execute(context: CommandContext): Promise<GdprExportResult> {
    const { args, flags } = this.input(GdprExport);
    const [
      { exportPerson, toCsv },
      { openIdentifiers, requireRequest },
      { makeDirectory, writeFileAtomic },
      { PrivacyJournal },
    ] = await Promise.all([
      import('../../privacy/exporter.js'),
      import('../../privacy/requests.js'),
      import('../../system/files.js'),
      import('../../privacy/journal.js'),
    ]);
    const { record } = await requireRequest(await context.lake(), args.request);
    const { requestId } = record;
    const identifiers = openIdentifiers(record, await keysOf(context));
    const { tables, notSearched } = await exportPerson(await discoveryWork(context), {
      requestId,
      identifiers,
    });
    await makeDirectory(flags.to, 0o700);
    const mode = { mode: 0o600 };
    const result: GdprExportResult['tables'] = [];
    for (const table of tables) {
      const name = table.place.replaceAll(/[^\w.=-]+/g, '_');
      await writeFileAtomic(join(flags.to, `${name}.csv`), toCsv(table), mode);
      result.push({ place: table.place, rows: table.rows.length, files: [`${name}.csv`] });
    }
    const document = { requestId, exportedAt: context.now().toISOString(), tables, notSearched };
    await writeFileAtomic(
      join(flags.to, 'person.json'),
      `${JSON.stringify(document, null, 2)}\n`,
      mode,
    );
    const journal = new PrivacyJournal(context.home, context.now);
    await journal.append({ type: 'exported', requestIds: [requestId] });
    return { requestId, directory: flags.to, tables: result, notSearched };
  }

  override render({ directory, tables, notSearched }: GdprExportResult): string {
    return [
      `Written to ${directory}: person.json and a CSV for each of ${tables.length} tables and files.`,
      ...tables.map(({ place, rows }) => `${place}: ${rows} rows`),
      ...notSearched.map((what) => `Look there too: ${what}`),
    ].join('\n');
  }
}

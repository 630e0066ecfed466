import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { discoveryWork } from '../../cli/gdpr-command.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { DataMap } from '../../privacy/data-map.js';
import { ExitCode } from '../../system/errors.js';

export default class GdprMap extends ReviewopsCommand<DataMap> {
  static override summary =
    'Print the data map: what holds people, how it is classified and treated.';
  static override description =
    'Tables, files of the lake and logs as they are now. What nobody has classified is named, and the status is 1.';
  static override examples = ['<%= config.bin %> gdpr map --json'];

  override async execute(context: CommandContext): Promise<DataMap> {
    const { readDataMap } = await import('../../privacy/data-map.js');
    return readDataMap(await discoveryWork(context));
  }

  protected override exitCode({ unclassified }: DataMap): ExitCode {
    return unclassified.length > 0 ? ExitCode.failed : ExitCode.done;
  }

  override render({ tables, files, unclassified }: DataMap, terminal: Terminal): string {
    const rows = [...tables, ...files].map(({ place, treatment, classes, links }) => [
      place,
      treatment ?? '',
      Object.entries(classes)
        .filter(([name]) => name !== 'none')
        .map(([name, columns]) => `${name}: ${columns.join(' ')}`)
        .join('; '),
      links.join('; '),
    ]);
    const table = renderTable(
      [{ name: 'place' }, { name: 'on erasure' }, { name: 'holds' }, { name: 'found by' }],
      rows,
      terminal,
    );
    return [table, ...unclassified.map((name) => `UNCLASSIFIED: ${name}`)].join('\n');
  }
}

import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import type { Terminal } from '../../cli/terminal.js';
import type { LakeUsage } from '../../lake/usage.js';
import { formatBytes, formatCount } from '../../system/duration.js';

export default class LakeUsageCommand extends ReviewopsCommand<LakeUsage> {
  static override summary = 'Show what the lake takes, how it grows, and the share of its budget.';
  static override description =
    'Objects and bytes of each layer, and those of old versions where the lake keeps them. One measure a day is kept in the lake; growth is against the newest one that is a week old. The budget is lake.budget.';
  static override examples = [
    '<%= config.bin %> lake usage',
    '<%= config.bin %> lake usage --json',
  ];

  override async execute(context: CommandContext): Promise<LakeUsage> {
    const { measureUsage } = await import('../../lake/usage.js');
    const { parseSize } = await import('../../system/size.js');
    const { budget } = (await context.config()).lake;
    return measureUsage(await context.lake(), {
      now: context.now(),
      budget: budget === undefined ? undefined : parseSize(budget),
      warn: context.warn,
    });
  }

  override render(
    { layers, system, total, growth, budget }: LakeUsage,
    terminal: Terminal,
  ): string {
    const table = renderTable(
      [
        { name: 'layer' },
        { name: 'objects', align: 'right' },
        { name: 'size', align: 'right' },
        { name: 'old versions', align: 'right' },
        { name: 'their size', align: 'right' },
      ],
      [
        ...layers.map(({ layer, objects, bytes, oldVersions }) => [
          layer,
          formatCount(objects),
          formatBytes(bytes),
          formatCount(oldVersions.objects),
          formatBytes(oldVersions.bytes),
        ]),
        ['logs, leases', formatCount(system.objects), formatBytes(system.bytes), '', ''],
      ],
      terminal,
    );
    const lines = [table, '', `${formatBytes(total.bytes)} in all.`];
    if (growth !== null) {
      const percent = growth.percent === null ? '' : ` (${growth.percent.toFixed(1)} %)`;
      const sign = growth.bytes < 0 ? '-' : '+';
      const size = formatBytes(Math.abs(growth.bytes));
      lines.push(`${sign}${size}${percent} since ${growth.since.slice(0, 10)}.`);
    }
    if (budget !== null) {
      lines.push(`${(budget.share * 100).toFixed(1)} % of ${formatBytes(budget.bytes)}.`);
    }
    return lines.join('\n');
  }
}

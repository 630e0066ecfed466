import { Args } from '@oclif/core';
import { ReviewopsCommand } from '../../cli/command.js';
import type { CommandContext } from '../../cli/context.js';
import { renderTable } from '../../cli/table.js';
import { paint, type Terminal } from '../../cli/terminal.js';
import type { BatchDiff, LayerDiff, Pair, TableDiff } from '../../lake/diff.js';
import { formatBytes, formatCount } from '../../system/duration.js';

export default class BatchDiffCommand extends ReviewopsCommand<BatchDiff> {
  static override summary = 'Compare two batches: schema, rows, files, rejects, settings.';
  static override description =
    'Compares what the manifests say; data files are not read. Shows only what differs.';
  static override examples = ['<%= config.bin %> batch diff 20260130_235959 20260131_235959'];
  static override args = {
    a: Args.string({ required: true, description: 'Batch id, usually the older one.' }),
    b: Args.string({ required: true, description: 'Batch id to compare with it.' }),
  };

  override async execute(context: CommandContext): Promise<BatchDiff> {
    const { args } = this.input(BatchDiffCommand);
    const { diffBatches } = await import('../../lake/diff.js');
    return diffBatches(await context.lake(), { a: args.a, b: args.b }, context);
  }

  override render({ a, b, same, layers }: BatchDiff, terminal: Terminal): string {
    if (same) return `${a} and ${b} do not differ.`;
    return layers
      .map((layer) => renderLayer(layer, { a, b }, terminal))
      .filter((text) => text !== '')
      .join('\n\n');
  }
}

function renderLayer(layer: LayerDiff, ids: Pair<string>, terminal: Terminal): string {
  const title = paint(terminal, 'bold', layer.layer);
  if (!layer.present.a) return `${title}  only in ${ids.b}`;
  if (!layer.present.b) return `${title}  only in ${ids.a}`;
  const lines: string[] = [];
  if (layer.tables.length > 0) {
    lines.push(
      renderTable(
        [
          { name: 'table' },
          { name: `rows ${ids.a}`, align: 'right' },
          { name: `rows ${ids.b}`, align: 'right' },
          { name: 'size', align: 'right' },
          { name: 'size', align: 'right' },
          { name: 'columns' },
        ],
        layer.tables.map((table) => [
          table.table,
          count(table.rows.a),
          count(table.rows.b),
          size(table.bytes.a),
          size(table.bytes.b),
          columnText(table),
        ]),
        terminal,
      ),
    );
  }
  for (const { rule, rows } of layer.rejected)
    lines.push(`rejected by ${rule}: ${formatCount(rows.a)} → ${formatCount(rows.b)}`);
  for (const { name, value } of layer.settings)
    lines.push(`${name}: ${JSON.stringify(value.a)} → ${JSON.stringify(value.b)}`);
  return lines.length === 0 ? '' : [title, ...lines].join('\n');
}

const count = (rows: number | null): string => (rows === null ? '–' : formatCount(rows));
const size = (bytes: number | null): string => (bytes === null ? '–' : formatBytes(bytes));

const columnText = ({ columns: { added, removed, changed } }: TableDiff): string =>
  [
    ...added.map((name) => `+${name}`),
    ...removed.map((name) => `-${name}`),
    ...changed.map(({ name, type }) => `${name}: ${type.a} → ${type.b}`),
  ].join(' ');

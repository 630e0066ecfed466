import type { BatchDetails } from '../lake/batches.js';
import type { Manifest } from '../lake/manifest.js';
import { formatBytes, formatCount } from '../system/duration.js';
import { describeOwner } from '../system/owner.js';
import { stateStyle } from './batch-state-style.js';
import { renderFields, renderTable } from './table.js';
import { paint, type Terminal } from './terminal.js';

/** A batch with its source, its layers and what is wrong with it. */
export function renderBatch(batch: BatchDetails, terminal: Terminal): string {
  const source = batch.manifests[0]?.source;
  const fields: [string, string][] = [
    ['batch', batch.batchId],
    ['state', paint(terminal, stateStyle(batch.state), batch.state)],
    ['created', batch.createdAt],
    ['size', formatBytes(batch.bytes)],
  ];
  if (batch.holder !== null) fields.push(['held by', describeOwner(batch.holder.owner)]);
  if (source !== undefined) {
    const at = source.lsn === null ? '' : ` at ${source.lsn}`;
    fields.push([
      'source',
      `${source.database} on ${source.server}, schema ${source.schema}, snapshot of ${source.snapshotAt}${at}`,
    ]);
  }
  const sections = [renderFields(fields, terminal)];
  for (const manifest of batch.manifests) sections.push(renderLayer(manifest, terminal));
  const problems = batch.problems.map(({ key, problem, hint }) => `${key}: ${problem}. ${hint}`);
  if (batch.unnamed.length > 0) {
    problems.push(`${batch.unnamed.length} files are named by no manifest: ${batch.unnamed[0]} …`);
  }
  if (problems.length > 0)
    sections.push([paint(terminal, 'bold', 'Problems'), ...problems].join('\n'));
  return sections.join('\n\n');
}

function renderLayer(manifest: Manifest, terminal: Terminal): string {
  const { layer, generation, createdAt, tool, parents, rejected, settings } = manifest;
  const made = `publication ${generation}, ${createdAt}, by ${tool.name} ${tool.version}`;
  const lines = [`${paint(terminal, 'bold', layer)}  ${made}`];
  const fields: [string, string][] = [];
  for (const { key, sha256 } of parents)
    fields.push(['made from', `${key} (${sha256.slice(0, 12)})`]);
  for (const [rule, rows] of Object.entries(rejected))
    fields.push(['rejected', `${formatCount(rows)} by ${rule}`]);
  for (const [name, value] of Object.entries(settings))
    fields.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  if (fields.length > 0) lines.push(renderFields(fields, terminal));
  lines.push(
    renderTable(
      [
        { name: 'table' },
        { name: 'rows', align: 'right' },
        { name: 'size', align: 'right' },
        { name: 'files', align: 'right' },
        { name: 'columns' },
      ],
      manifest.tables.map(({ name, rows, bytes, files, columns }) => [
        name,
        formatCount(rows),
        formatBytes(bytes),
        String(files.length),
        columns.map((column) => column.name).join(' '),
      ]),
      terminal,
    ),
  );
  return lines.join('\n');
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Layer } from '../../src/lake/lake.js';
import type { LayerDraft } from '../../src/lake/publish.js';

const moment = new Date('2026-01-31T23:59:59.000Z');

export interface DraftOptions {
  batchId: string;
  layer: Layer;
  /** Directory of the files, which are named but not made. */
  scratch: string;
  /** What the files hold. */
  letter: string;
  /** Files of the table `review`. */
  parts?: number;
}

/** A draft of the tables `review` (in parts) and `rejected`. */
export function draftOf({ batchId, layer, scratch, letter, parts = 3 }: DraftOptions): LayerDraft {
  const file = (name: string) => ({
    path: join(scratch, name),
    rows: 7,
    ranges: { review_id: { min: '1', max: '7' } },
  });
  const columns = [{ name: 'review_id', type: 'VARCHAR' }];
  return {
    layer,
    batchId,
    tables: [
      {
        name: 'review',
        columns,
        files: Array.from({ length: parts }, (_, part) => file(`${letter}-review-${part}`)),
      },
      { name: 'rejected', columns, files: [file(`${letter}-rejected`)] },
    ],
    source: {
      server: '127.0.0.1:5432',
      database: 'reviewops',
      schema: 'amazon',
      lsn: '0/16B3748',
      snapshotAt: moment.toISOString(),
    },
    parents: [],
    rejected: { rating: 2 },
    settings: { letter },
    tool: { name: 'reviewops', version: '0.0.0' },
    now: moment,
  };
}

/** Makes the draft's files: 1,000 times the letter each. */
export function makeFiles(draft: LayerDraft, letter: string): LayerDraft {
  for (const { path } of draft.tables.flatMap(({ files }) => files)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, letter.repeat(1000));
  }
  return draft;
}

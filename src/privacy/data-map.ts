import type { DataClass } from '../config/privacy-schema.js';
import { classOf } from './classification.js';
import { type DiscoveryWork, inDatabase } from './erasure-plan.js';
import { findInLake } from './lake-finder.js';
import { listUnits } from './lake-units.js';
import { readModel } from './model.js';
import { Needles } from './needles.js';
import { shapeOf } from './shapes.js';
import { textFormat } from './text-files.js';

export interface MappedPlace {
  /** `amazon.review`, `bronze/review`, or a key. */
  place: string;
  /** What becomes of a person's rows; null where there are none. */
  treatment: string | null;
  /** Columns by class. */
  classes: Partial<Record<DataClass | 'unclassified', string[]>>;
  /** How a person's rows are found. */
  links: string[];
  /** Files of this kind; 1 for a table. */
  count: number;
}

export interface DataMap {
  tables: MappedPlace[];
  files: MappedPlace[];
  unclassified: string[];
}

/** Where data of people is, as the system is now. */
export async function readDataMap(work: DiscoveryWork): Promise<DataMap> {
  const model = await inDatabase(work, 'gdpr map', (client) => readModel(client, work.config));
  const tables = model.tables.map(({ id, columns, rows, owning }) => ({
    place: id,
    treatment: rows ?? null,
    classes: grouped(columns.map((column) => [column.name, column.class])),
    links: owning.map(({ column, via }) => `${column} (${via})`),
    count: 1,
  }));
  const files = new Map<string, MappedPlace>();
  for (const { key } of await listUnits(work.lake)) {
    const shape = shapeOf(key, model, work.config, true);
    const format = textFormat(key);
    const place = shape?.name ?? (format === undefined ? key : `${key.split('/')[0]}/*.${format}`);
    const known = files.get(place);
    if (known !== undefined) {
      known.count += 1;
      continue;
    }
    const names = Object.keys(shape?.rule.columns ?? {});
    files.set(place, {
      place,
      treatment: shape === undefined ? (format === undefined ? null : 'delete') : shape.rows,
      classes: grouped(names.map((name) => [name, shape && classOf(shape.rule, name)])),
      links: shape?.owning.map(({ column, via }) => `${column} (${via})`) ?? [],
      count: 1,
    });
  }
  const found = await findInLake({ ...work, model }, new Needles());
  return {
    tables,
    files: [...files.values()],
    unclassified: [...model.unclassified, ...found.unclassified],
  };
}

function grouped(
  columns: readonly (readonly [string, DataClass | undefined])[],
): MappedPlace['classes'] {
  const classes: MappedPlace['classes'] = {};
  for (const [name, dataClass] of columns) {
    const own = classes[dataClass ?? 'unclassified'] ?? [];
    classes[dataClass ?? 'unclassified'] = own;
    own.push(name);
  }
  return classes;
}

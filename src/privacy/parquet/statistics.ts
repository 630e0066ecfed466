import type { Struct } from '../../engine/thrift.js';
import { columnField, type Leaf } from './file.js';
import { physical } from './values.js';

const field = {
  oldMax: 1,
  oldMin: 2,
  nulls: 3,
  distinct: 4,
  max: 5,
  min: 6,
  maxExact: 7,
  minExact: 8,
};
const bounds = [field.oldMax, field.oldMin, field.max, field.min];

/** Watches whether the bounds that a footer notes of a column tell of a value that has gone. */
export class GoneValues {
  readonly #leaf: Leaf;
  readonly #bounds: Buffer[];
  #told = false;

  constructor(column: Struct, leaf: Leaf) {
    const statistics = column.struct(columnField.statistics);
    this.#leaf = leaf;
    this.#bounds = bounds.flatMap((id) => statistics?.bytes(id) ?? []);
  }

  /** A value that is not there any more, or not in all its places. */
  note(value: Buffer): void {
    this.#told ||= this.#bounds.some((bound) => this.#tellsOf(bound, value));
  }

  /** Bounds of texts may be shortened, and then their last byte may be counted up. */
  #tellsOf(bound: Buffer, value: Buffer): boolean {
    const { type } = this.#leaf;
    if (type !== physical.bytes && type !== physical.fixed) return bound.equals(value);
    const start = Math.max(bound.length - 1, 0);
    return value.subarray(0, start).equals(bound.subarray(0, start));
  }

  correct(column: Struct, moreNulls: number): void {
    const statistics = column.struct(columnField.statistics);
    if (statistics === undefined) return;
    statistics.remove(field.distinct);
    if (this.#told) statistics.remove(...bounds, field.maxExact, field.minExact);
    const nulls = statistics.int(field.nulls);
    if (nulls === undefined) return;
    // Writers count nulls in lists differently.
    if (this.#leaf.maxRepetition > 0) statistics.remove(field.nulls);
    else statistics.setInt(field.nulls, nulls + moreNulls);
  }
}

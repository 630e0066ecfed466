import type { Engine } from '../engine/session.js';
import { declareWanted, readSame } from './lake-traces.js';
import type { LakeUnit } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import { needleLists } from './needle-lists.js';
import type { Needles } from './needles.js';
import type { SameColumns } from './parquet-groups.js';
import { rowCondition, type Shape, shapeOf } from './shapes.js';
import type { TraceCounts } from './table-traces.js';
import { type Wanted, wantedOf, wantedSize } from './wanted.js';

/** Where a person is named in a file of the lake. */
export interface LakeTrace {
  unit: LakeUnit;
  counts: TraceCounts;
}

/**
 * Reads, along with a search of the lake, every text of rows that are not the person's own. Files of
 * a shape are read again only when something was found since that names the person, too.
 */
export class TextPass {
  readonly #work: LakeWork;
  readonly #needles: Needles;
  readonly #engine: Engine;
  readonly #onUnread: (unit: LakeUnit, why: string) => void;
  readonly #traces = new Map<Shape | undefined, LakeTrace[]>();
  #declared: string | undefined;
  #wanted: Wanted | undefined;

  constructor(
    work: LakeWork,
    needles: Needles,
    engine: Engine,
    onUnread: (unit: LakeUnit, why: string) => void,
  ) {
    this.#work = work;
    this.#needles = needles;
    this.#engine = engine;
    this.#onUnread = onUnread;
  }

  /** What the traces depend on. */
  get state(): string {
    return wantedSize(this.#needles);
  }

  get traces(): LakeTrace[] {
    return [...this.#traces.values()].flat();
  }

  /** Before the files of a shape are read, for the first time or again. */
  async begin(shape: Shape | undefined): Promise<void> {
    this.#traces.set(shape, []);
    if (this.#declared === this.state) return;
    this.#wanted = wantedOf(this.#needles, this.#work.pseudonymKey);
    await declareWanted(this.#engine, this.#wanted);
    this.#declared = this.state;
  }

  async read(shape: Shape | undefined, same: SameColumns): Promise<void> {
    const wanted = this.#wanted;
    if (wanted === undefined || wanted.exact.length === 0) return;
    await readSame(this.#engine, same, this.#work.config, {
      wanted,
      except: await this.#ownRows(same),
      found: (unit, counts) => this.#traces.get(shape)?.push({ unit, counts }),
      unread: this.#onUnread,
    });
  }

  /** A review of the person is theirs whatever key its pseudonym was made with. */
  async #ownRows({ columns, copies }: SameColumns): Promise<string | undefined> {
    const { model, config } = this.#work;
    const shape = shapeOf(copies[0]?.unit.key ?? '', model, config, true);
    if (shape === undefined) return undefined;
    const lists = await needleLists(this.#engine, this.#needles, shape);
    const owning = shape.owning.map(({ unless: _unless, ...rest }) => rest);
    const names = columns.map(({ name }) => name);
    return rowCondition({ ...shape, owning }, names, (domain) => lists.get(domain));
  }
}

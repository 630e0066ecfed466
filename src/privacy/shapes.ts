import type { DataClass, Treatment } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import { literal, quoteName } from '../engine/session.js';
import type { Key } from '../lake/lake.js';
import { tableOfKey } from '../lake/privacy-layout.js';
import { classOf, layerRules, type TableRule } from './classification.js';
import type { Domain, ModelTable, PrivacyModel } from './model.js';

/** A condition of the engine's SQL that holds for rows of the person. */
export interface ShapeOwning {
  domain: Domain;
  /** The column that must be there. */
  column: string;
  /** The value, as text, in the engine's SQL. */
  value: string;
  /** Counts only where this value is null: a weaker link than another. */
  unless?: string;
  via: string;
}

/** What files of one kind in the lake hold, and how a person is found in them. */
export interface Shape {
  /** `bronze/review`. */
  name: string;
  rule: TableRule;
  rows: Treatment;
  owning: ShapeOwning[];
  provides: { column: string; domain: Domain }[];
  /** After how many others it is searched. */
  depth: number;
  /** Whether pseudonyms in it were made with the present key. */
  sameKey: boolean;
}

/** Values of a customer in silver and gold. */
export const pseudonymDomain: Domain = 'pseudonym';

const text = (column: string): string => `CAST(${quoteName(column)} AS VARCHAR)`;

/** A text of the engine's SQL in the form in which its domain is compared (`normalForm`). */
function comparedInEngine(value: string, domain: Domain): string {
  if (domain === 'email') return `lower(nfc_normalize(trim(${value})))`;
  return domain === 'phone'
    ? `regexp_replace(regexp_replace(${value}, '\\D', '', 'g'), '^00', '')`
    : value;
}

/**
 * The shape of a Parquet file of a batch; undefined for a key that belongs to no known table.
 * `sameKey` says whether the batch's pseudonyms were made with the present key.
 */
export function shapeOf(
  key: Key,
  model: PrivacyModel,
  config: Config,
  sameKey: boolean,
): Shape | undefined {
  const place = tableOfKey(key);
  if (place === undefined) return undefined;
  const name = `${place.layer}/${place.table}`;
  if (place.layer === 'bronze') {
    const { schema } = config.source;
    const table = model.tables.find((one) => one.id === `${schema}.${place.table}`);
    return table === undefined ? undefined : shapeOfTable(name, table, model);
  }
  const rule = layerRules[name];
  return rule === undefined ? undefined : layerShape(name, rule, model, config, sameKey);
}

function shapeOfTable(name: string, table: ModelTable, model: PrivacyModel): Shape {
  return {
    name,
    rule: table.rule,
    rows: table.rows ?? 'keep',
    owning: table.owning.map(({ column, domain, via }) => ({
      domain,
      column,
      value: comparedInEngine(text(column), domain),
      via,
    })),
    provides: table.provides,
    depth: depthOf(table, model),
    sameKey: true,
  };
}

const deepest = 20;

function depthOf(table: ModelTable, model: PrivacyModel, open: readonly string[] = []): number {
  if (open.includes(table.id) || open.length > deepest) return 0;
  const above = model.tables.filter(
    (other) =>
      other !== table &&
      other.provides.some(({ domain }) =>
        table.owning.some((own) => own.domain === domain && domain !== 'customer'),
      ),
  );
  const subject = table.owning.some(({ via }) => via === 'customer' || via === 'buyer');
  const start = subject ? 0 : 1;
  return Math.max(start, ...above.map((other) => depthOf(other, model, [...open, table.id]) + 1));
}

function layerShape(
  name: string,
  rule: TableRule,
  model: PrivacyModel,
  config: Config,
  sameKey: boolean,
): Shape {
  const { schema, entities } = config.source;
  const review = model.tables.find(({ id }) => id === `${schema}.${entities.review.table}`);
  const reviewDomain = `${schema}.${entities.review.table}.${entities.review.review_id}`;
  const rejected = name === 'silver/rejected';
  const buyer = rejected
    ? `json_extract_string(original_data, ${literal('$.buyer_id')})`
    : text('buyer_id');
  const byReview: ShapeOwning = {
    domain: reviewDomain,
    column: 'review_id',
    value: text('review_id'),
    ...(sameKey ? { unless: buyer } : {}),
    via: 'review_id of a review of the person',
  };
  const byPseudonym: ShapeOwning = {
    domain: pseudonymDomain,
    column: rejected ? 'original_data' : 'buyer_id',
    value: buyer,
    via: 'pseudonym of the customer',
  };
  return {
    name,
    rule,
    rows: review?.rows ?? 'delete',
    owning: sameKey ? [byPseudonym, byReview] : [byReview],
    provides: [],
    depth: (review === undefined ? 1 : depthOf(review, model)) + 1,
    sameKey,
  };
}

/** Class of each column of a file that has these; those without one by name. */
export function unclassifiedIn(shape: Shape, columns: readonly string[]): string[] {
  return columns
    .filter((column) => classOf(shape.rule, column) === undefined)
    .map((column) => `${shape.name}.${column}`);
}

/** The person's rows: a condition that is true, false or null. */
export function rowCondition(
  shape: Shape,
  columns: readonly string[],
  listOf: (domain: Domain) => string | undefined,
): string | undefined {
  const parts = shape.owning.flatMap(({ domain, column, value, unless }) => {
    const list = listOf(domain);
    if (list === undefined || !columns.includes(column)) return [];
    const found = `${value} IN ${list}`;
    return [unless === undefined ? found : `(${unless} IS NULL AND ${found})`];
  });
  return parts.length === 0 ? undefined : `(${parts.join(' OR ')})`;
}

/** Columns of the shape that a redaction empties. */
export const redactedColumns = (shape: Pick<Shape, 'rule'>, columns: readonly string[]): string[] =>
  columns.filter((column) => {
    const dataClass: DataClass | undefined = classOf(shape.rule, column);
    return dataClass !== undefined && dataClass !== 'none';
  });

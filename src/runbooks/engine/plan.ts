import { createHash } from 'node:crypto';
import type { Json, JsonObject } from './definition.js';

export interface PlanTarget {
  /** What it is: `batch`, `object`, `table`, `role`. */
  type: string;
  /** Its exact name: a key, a qualified table, a role. */
  name: string;
  /** What will be done to it. */
  action: string;
  /** What it was when the plan was made (rows, bytes, etag): the plan is bound to it. */
  state: JsonObject;
}

/** The exact targets of a run. Bound by its hash: what is applied is what was shown. */
export interface Plan {
  summary: string;
  targets: PlanTarget[];
  /** Sums for the reader, such as rows and bytes. */
  totals: JsonObject;
  /** What the reader should know: locks, duration, what will not be freed. */
  notes: string[];
}

/**
 * SHA-256 of what the plan binds: the definition that made it, inputs, and every target with its
 * state. Summary and notes are words about it and do not count. 64 hex digits.
 */
export const planHash = (definition: string, input: Json, plan: Plan): string =>
  createHash('sha256')
    .update(canonicalJson({ definition, input, targets: plan.targets as unknown as Json }))
    .digest('hex');

/** JSON with the keys of every object in order, so that equal values have equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.keys(value)
    .sort()
    .filter((key) => value[key] !== undefined)
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as Json)}`);
  return `{${entries.join(',')}}`;
}

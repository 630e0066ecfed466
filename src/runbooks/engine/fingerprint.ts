import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json, Runbook } from './definition.js';
import { canonicalJson } from './plan.js';

const known = new WeakMap<Runbook, string>();

/**
 * Identifies what a definition does: its texts, its steps in order, the source of their functions
 * (of a runbook that is data: its text), and its inputs. 64 hex digits. An edited runbook has
 * another one, whatever its title says.
 */
export function definitionHash(runbook: Runbook): string {
  const before = known.get(runbook);
  if (before !== undefined) return before;
  const { inputs, ...rest } = runbook;
  const schema = z.toJSONSchema(inputs, { io: 'input', unrepresentable: 'any' });
  const text = canonicalJson({ ...(plain(rest) as object), inputs: schema as Json });
  const hash = createHash('sha256').update(text).digest('hex');
  known.set(runbook, hash);
  return hash;
}

function plain(value: unknown): Json {
  if (typeof value === 'function') return `f:${String(value)}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null)
    return value === undefined ? null : (value as Json);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}

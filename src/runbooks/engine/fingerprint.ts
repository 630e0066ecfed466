import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Runbook } from './definition.js';

/**
 * Identifies what a definition does: its texts, its steps in order, and the source of their
 * functions. 64 hex digits. An edited runbook has another one, whatever its title says.
 */
export function definitionHash<Schema extends z.ZodObject>(runbook: Runbook<Schema>): string {
  const hash = createHash('sha256');
  const add = (value: unknown): void => {
    if (typeof value === 'function') hash.update(`f:${String(value)}\n`);
    else if (Array.isArray(value)) value.forEach(add);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, entry] of Object.entries(value)) {
        hash.update(`${key}=`);
        add(entry);
      }
    } else hash.update(`${typeof value}:${String(value)}\n`);
  };
  const { inputs, ...rest } = runbook;
  add(rest);
  hash.update(Object.keys(inputs.shape).join(','));
  return hash.digest('hex');
}

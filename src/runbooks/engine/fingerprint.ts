import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json, Runbook } from './definition.js';
import { canonicalJson } from './plan.js';
import { sourceHash } from './source-code.js';

const known = new WeakMap<Runbook, string>();

/**
 * Identifies what a definition does: its texts, its steps in order, the source of their functions
 * and of the modules they call, its inputs (of a runbook that is data: its text), and the version of
 * the tool that runs it. 64 hex digits. An edited runbook has another one, whatever its title says,
 * and so has the same runbook after an update: what it calls may be another thing by then.
 */
export const definitionHash = (runbook: Runbook, toolVersion: string): string =>
  sha256(canonicalJson({ definition: ownHash(runbook), toolVersion }));

function ownHash(runbook: Runbook): string {
  const before = known.get(runbook);
  if (before !== undefined) return before;
  const { inputs, module, ...rest } = runbook;
  const schema = z.toJSONSchema(inputs, { io: 'input', unrepresentable: 'any' });
  const code = module === undefined ? null : sourceHash(module);
  const hash = sha256(canonicalJson({ ...(plain(rest) as object), inputs: schema as Json, code }));
  known.set(runbook, hash);
  return hash;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function plain(value: unknown): Json {
  if (typeof value === 'function') return `f:${String(value)}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null)
    return value === undefined ? null : (value as Json);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}

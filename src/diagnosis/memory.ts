import { freemem, totalmem } from 'node:os';
import type { Config } from '../config/schema.js';
import { parseSize } from '../system/size.js';

export interface EngineLimits {
  memoryLimit: string;
  threads: number;
}

/** Bytes this process may use in all: the machine's, or those of its container. */
export function machineMemory(): { total: number; free: number } {
  const limit = process.constrainedMemory();
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { total, free: Math.min(freemem(), total) };
}

/** What of the machine's memory the query engine may take; Node and the system need the rest. */
const share = 0.6;
/** What a rerun is given at least, where the machine has it. */
const comfortable = 1024 ** 3;

/**
 * Limits with which what ran out of memory may come through: one thread, since each works on data
 * of its own, and more memory where the machine has it. Undefined when there is nothing to gain.
 */
export function roomierLimits(
  { memoryLimit, threads }: Pick<Config['pipeline'], 'memoryLimit' | 'threads'>,
  machineBytes: number,
): EngineLimits | undefined {
  const present = parseSize(memoryLimit);
  const wanted = Math.min(Math.max(4 * present, comfortable), machineBytes * share);
  // In whole steps of 64 MiB, so that the same machine always gives the same answer.
  const step = 64 * 1024 ** 2;
  const granted = Math.floor(wanted / step) * step;
  const raised = granted > 1.1 * present;
  if (!raised && threads === 1) return undefined;
  return {
    memoryLimit: raised ? `${granted / 1024 ** 2}MiB` : memoryLimit,
    threads: 1,
  };
}

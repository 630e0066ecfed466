import { z } from 'zod';
import { formatBytes, formatCount, parseDuration } from '../../system/duration.js';
import type { JsonObject, Verified } from '../engine/definition.js';

/** Inputs that every purge takes. */
export const purgeInputs = {
  olderThan: z
    .string()
    .refine((text) => parseDuration(text) !== undefined, 'is no age; write 30d, 12h or 45m')
    .optional(),
  rate: z
    .int()
    .nonnegative()
    .optional()
    .describe(
      'Objects deleted in a second at most; 0 is no limit. Default: retention.deletesPerSecond.',
    ),
};

/** Seconds of an age that was given, else of the days of the configuration. */
export const ageOf = (given: string | undefined, days: number): number =>
  given === undefined ? days * 86_400 : (parseDuration(given) ?? Number.POSITIVE_INFINITY);

/** Deletes of a large lake take as long as they take; the operator stops them, not a clock. */
export const purgeTimeout = 86_400;

/** `12,345 objects (1.2 GB)`. */
export const amount = (objects: number, bytes: number): string =>
  `${formatCount(objects)} ${objects === 1 ? 'object' : 'objects'} (${formatBytes(bytes)})`;

/** What a purge did, by what was planned and what is there now. */
export function purged(
  planned: { objects: number; bytes: number },
  left: { objects: number; bytes: number | null },
  more: { done: boolean; note?: string; evidence?: JsonObject },
): Verified {
  const objectsDeleted = planned.objects - left.objects;
  const bytesFreed = left.bytes === null ? null : Math.max(0, planned.bytes - left.bytes);
  const freed = bytesFreed === null ? 'unknown how much is freed' : formatBytes(bytesFreed);
  return {
    done: more.done,
    summary: more.done
      ? `${amount(objectsDeleted, planned.bytes)} deleted, ${freed} freed.${more.note ?? ''}`
      : `${formatCount(left.objects)} objects are still there.${more.note ?? ''}`,
    evidence: { objectsDeleted, bytesFreed, objectsLeft: left.objects, ...more.evidence },
  };
}

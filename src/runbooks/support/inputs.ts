import { z } from 'zod';
import { isBatchId } from '../../lake/layout.js';
import type { JsonObject } from '../engine/definition.js';

/** The batch a runbook looks at; without one it looks at the newest. */
export const batchInput = z.strictObject({
  batchId: z
    .string()
    .refine(isBatchId, 'is no batch id (they look like 20260131_235959)')
    .optional()
    .describe('The batch concerned, such as 20260131_235959; by default the newest ones.'),
});

export type BatchInput = z.output<typeof batchInput>;

/** The inputs of the next runbook: the same batch, when one is known. */
export const sameBatch = (batchId: string | undefined): JsonObject =>
  batchId === undefined ? {} : { batchId };

/** The id in a command's text; a placeholder while none is known. */
export const idIn = (input: BatchInput): string => input.batchId ?? 'BATCH_ID';

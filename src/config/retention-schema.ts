import { z } from 'zod';

/** How long things are kept, and what `vacuum` looks at. */

export const retentionSchema = z.strictObject({
  batchDays: z
    .number()
    .nonnegative()
    .default(30)
    .describe('Age in days from which `batch purge` deletes batches.'),
  keepLast: z
    .int()
    .nonnegative()
    .default(3)
    .describe('How many of the newest complete batches no purge deletes, however old they are.'),
  logDays: z
    .number()
    .nonnegative()
    .default(30)
    .describe('Age in days from which `logs purge` deletes the logs of runs.'),
  deletesPerSecond: z
    .int()
    .nonnegative()
    .default(0)
    .describe('Objects that a purge deletes in a second at most; 0 is no limit.'),
});

export const maintenanceSchema = z.strictObject({
  deadTuples: z
    .int()
    .positive()
    .default(50)
    .describe('Dead rows from which `db vacuum` takes a table that it was not told to take.'),
  deadTuplePercent: z
    .number()
    .min(0)
    .max(100)
    .default(5)
    .describe('Share of dead rows from which `db vacuum` takes a table with fewer of them.'),
  tinyTableKilobytes: z
    .int()
    .nonnegative()
    .default(32)
    .describe('Tables up to this size, in KiB, are vacuumed only when they are named.'),
  blockerSeconds: z
    .number()
    .nonnegative()
    .default(60)
    .describe('Age from which a transaction that keeps VACUUM from removing rows is a warning.'),
});

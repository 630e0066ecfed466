import { z } from 'zod';

/** The part of the configuration that says when `health` warns; see schema.ts. */

/** Two limits of one measurement; null switches a level off. */
const limits = (description: string, warning: number | null, critical: number | null) => {
  const level = (value: number | null) =>
    z
      .number()
      .nonnegative()
      .nullable()
      .default(value)
      .describe(`${description}: where it warns and where it is critical; null is never.`);
  return z.strictObject({ warning: level(warning), critical: level(critical) }).prefault({});
};

const day = z.iso
  .date()
  .optional()
  .describe('Day on which it was set, such as 2026-01-31, where nothing else knows its age.');

export const healthSchema = z.strictObject({
  timeoutSeconds: z
    .number()
    .positive()
    .max(600)
    .default(5)
    .describe('How long one check may take before its result is unknown.'),
  recentBatches: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('How many of the newest batches are looked into.'),
  recentRuns: z
    .int()
    .min(5)
    .max(1000)
    .default(50)
    .describe('How many of the last runs count for means and rates.'),
  smallestTableMegabytes: z
    .number()
    .nonnegative()
    .default(8)
    .describe('Tables below this size are not judged for bloat.'),
  smallestDeadRows: z
    .int()
    .nonnegative()
    .default(1000)
    .describe('Tables with fewer dead rows are not judged.'),
  analyzeGraceMinutes: z
    .number()
    .nonnegative()
    .default(60)
    .describe('How long after an ANALYZE changes are left to autovacuum before they are judged.'),
  neonProject: z
    .string()
    .min(1)
    .optional()
    .describe('Id of the Neon project, for asking its control plane (with NEON_API_KEY).'),
  neonApi: z
    .url({ protocol: /^https?$/ })
    .default('https://console.neon.tech/api/v2')
    .describe('Where Neon’s control plane is.'),
  databasePasswordSetOn: day,
  accessKeySetOn: day,
  latencyMilliseconds: limits('Milliseconds a `SELECT 1` takes', 200, 1000),
  wraparoundPercent: limits('Percent of the transaction ids used up since the last freeze', 40, 75),
  deadRowsPercent: limits('Percent of a table’s rows that are dead', 20, 40),
  bloatPercent: limits('Percent of a table’s space that is estimated to be empty', 50, 75),
  changedRowsPercent: limits('Percent of a table’s rows changed since ANALYZE', 20, null),
  transactionMinutes: limits('Minutes a transaction is open', 15, 60),
  preparedMinutes: limits('Minutes a prepared transaction waits', 15, 60),
  xminAgeMillions: limits('Million transactions that the oldest snapshot holds back', 10, 100),
  slotRetainedMegabytes: limits(
    'Megabytes of log that a replication slot keeps back',
    1_000,
    10_000,
  ),
  connectionsPercent: limits('Percent of the server’s connections in use', 80, 90),
  sequencePercent: limits('Percent of a sequence that is used up', 75, 90),
  lagHours: limits('Hours by which what is served is behind the source', 2, 24),
  runAgeHours: limits('Hours since the last run began', null, 24),
  runDurationPercent: limits('Percent of its usual mean that the last run took', 150, null),
  consecutiveFailures: limits('Runs that failed in a row, above', null, 2),
  rowsChangePercent: limits('Percent by which the rows of a run differ from the mean', 20, 50),
  rejectGrowthPercent: limits(
    'Percent by which the reject rate grew since the run before',
    50,
    null,
  ),
  failedRunsPercent: limits('Percent of the recent runs that failed', 2, 5),
  extractMinutes: limits('Minutes that extract takes in the mean', 15, 25),
  loadMinutes: limits('Minutes that transform, model and load take in the mean', 30, 45),
  lakeSpacePercent: limits('Percent of lake.budget in use', 80, 85),
  diskPercent: limits('Percent of the local disk in use', 90, 95),
  errorLines: limits('ERROR lines in the logs of 24 hours, above', 10, 100),
  passwordDays: limits('Age of the database’s password in days', 60, 90),
  accessKeyDays: limits('Age of the AWS access key in days', 35, 45),
});

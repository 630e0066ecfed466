import { defineConfig } from 'vitest/config';

const everyProject = {
  pool: 'forks' as const,
  disableConsoleIntercept: true,
  unstubEnvs: true,
  // A bound for what hangs; a machine may be busy with more than the tests.
  testTimeout: 60_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 20_000, interval: 20 } },
};

/**
 * The files of a worker share its modules: loading them anew for each took a quarter of all the time.
 * A test that changes what is global (environment, clock, working directory) puts it back.
 */
const shared = { ...everyProject, isolate: false };

/** Minutes of killing, breaking and repairing: `npm run test:long`, which CI runs beside `npm test`. */
const long = [
  'test/database/embedded.test.ts',
  'test/health/chain.test.ts',
  'test/health/special-server.test.ts',
  'test/import/atomic.test.ts',
  'test/import/real-files.test.ts',
  'test/incidents/escalation-volume.test.ts',
  'test/incidents/volume.test.ts',
  'test/incidents/weeks.test.ts',
  'test/runbooks/engine/crash.test.ts',
  'test/runbooks/maintenance-crash.test.ts',
  'test/runbooks/repair-crashes.test.ts',
  'test/runbooks/repair-matrix.test.ts',
  'test/runbooks/rotate-database-cases.test.ts',
  'test/runbooks/rotate-database-crashes.test.ts',
  'test/runbooks/rotate-password-crashes.test.ts',
  'test/runbooks/rotate-password.test.ts',
  'test/e2e/contract-all.test.ts',
  'test/e2e/credentials.test.ts',
  'test/lake/s3-faults.test.ts',
  'test/lake/s3-one-bucket.test.ts',
  'test/pipeline/run-together.test.ts',
  'test/privacy/long/*.test.ts',
  'test/e2e/lake-s3.test.ts',
  'test/e2e/local.test.ts',
  'test/e2e/lake.test.ts',
  'test/e2e/health.test.ts',
  'test/e2e/incident.test.ts',
  'test/e2e/maintenance.test.ts',
  'test/e2e/pipeline-breaks.test.ts',
  'test/e2e/pipeline-kills.test.ts',
  'test/e2e/runbook.test.ts',
  'test/e2e/runbook-repairs.test.ts',
  'test/runbooks/corrupt-batch.test.ts',
  'test/runbooks/gold-incomplete.test.ts',
  'test/e2e/tui-terminal.test.ts',
  'test/e2e/tui-walks.test.ts',
];

export default defineConfig({
  test: {
    // More than the two cores of the smallest machine: most tests wait for a server or a process.
    maxWorkers: 3,
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/integration/**', ...long],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: long,
          globalSetup: ['test/support/build.ts', 'test/support/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...everyProject,
          name: 'long',
          include: long,
          globalSetup: ['test/support/build.ts', 'test/support/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
      {
        // Needs Python; `npm test` leaves it out.
        test: {
          ...everyProject,
          name: 'peers',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: [
            'test/integration/setup.ts',
            'test/support/build.ts',
            'test/support/global-setup.ts',
          ],
          testTimeout: 120_000,
        },
      },
    ],
  },
});

import { defineConfig } from 'vitest/config';

const everyProject = {
  pool: 'forks' as const,
  disableConsoleIntercept: true,
  unstubEnvs: true,
  testTimeout: 30_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  test: {
    // Two cores, and most tests wait for a server or another process.
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...everyProject,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/integration/**'],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        test: {
          ...everyProject,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build.ts', 'test/support/global-setup.ts'],
          testTimeout: 60_000,
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

// Adds up vitest's JSON reports in a directory and prints `N passed, N failed, N skipped` as the
// last line. Checks that failed without a failing test count as one failure each.
// Usage: count-tests.mjs DIRECTORY FAILED_CHECKS
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory, failedChecks] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
let failedReports = 0;
for (const name of readdirSync(directory)) {
  const report = JSON.parse(readFileSync(join(directory, name), 'utf8'));
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
  if (!report.success) failedReports += 1;
  // A file that could not be loaded has no failing test of its own.
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  sum.failed += brokenFiles.length;
}
sum.failed += Math.max(0, Number(failedChecks) - failedReports);
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 || Number(failedChecks) > 0 ? 1 : 0;

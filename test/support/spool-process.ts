import { open } from 'node:fs/promises';
import { spoolSignal } from '../../src/incidents/spool.js';

/**
 * Puts a signal into the spool of a state directory, says so when its file is written and not yet
 * safe, and never goes on: `node --import tsx spool-process.ts HOME`.
 */
const handle = await open(process.execPath);
Object.getPrototypeOf(handle).sync = async function (this: typeof handle) {
  if ((await this.stat()).isDirectory()) return;
  process.stdout.write('written\n');
  await new Promise(() => setInterval(() => undefined, 60_000));
};
await handle.close();
await spoolSignal(process.argv[2] ?? '', {
  at: new Date(),
  by: 'reviewops',
  occurrence: { source: 'pipeline', summary: 'It broke', severity: 'P3' },
});

import { isatty } from 'node:tty';

const standardStreams = [0, 1, 2];
const terminals = standardStreams.filter((stream) => isatty(stream));

/**
 * Ends the process with a status; when its terminal was closed, as every program ends then: by
 * SIGHUP. Node gives the terminal its modes back when it exits, and crashes when there is none.
 */
export function endProcess(status: number): never {
  if (terminals.some((stream) => !isatty(stream))) {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  process.exit(status);
}

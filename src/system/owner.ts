import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { errorCode } from './errors.js';

/** Who holds something: enough to name the person, and to tell whether the process still lives. */
export interface Owner {
  user: string;
  host: string;
  pid: number;
  /** Distinguishes a process from a later one with the same pid; undefined where unknown. */
  startedAt: string | undefined;
  /** Distinguishes machines and containers that share a host name. */
  machine: string;
}

const readOr = (read: () => string): string | undefined => {
  try {
    return read();
  } catch {
    // /proc is Linux only; elsewhere host and pid alone identify the process.
    return undefined;
  }
};

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat). */
const startTicks = (pid: number): string | undefined =>
  readOr(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, in parentheses, may hold spaces: fields count from the last ')'.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  });

const machineId = (): string =>
  [
    hostname(),
    readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    readOr(() => readlinkSync('/proc/self/ns/pid')),
  ]
    .filter((part) => part !== undefined)
    .join('/');

const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    // A uid without a passwd entry, as containers often run under.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
};

/** The present process as an owner. */
export const thisProcess = (): Owner => ({
  user: process.env.REVIEWOPS_OPERATOR?.trim() || userName(),
  host: hostname(),
  pid: process.pid,
  startedAt: startTicks(process.pid),
  machine: machineId(),
});

/** `alive` or `gone` for a process of this machine, `elsewhere` when it cannot be told from here. */
export function ownerState(owner: Owner): 'alive' | 'gone' | 'elsewhere' {
  if (owner.machine !== machineId()) return 'elsewhere';
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return 'gone';
    // EPERM: it lives under another user.
  }
  const ticks = startTicks(owner.pid);
  return owner.startedAt !== undefined && ticks !== undefined && ticks !== owner.startedAt
    ? 'gone'
    : 'alive';
}

/** `ada@host (pid 12)`, for messages. */
export const describeOwner = (owner: Owner): string =>
  `${owner.user}@${owner.host} (pid ${owner.pid})`;

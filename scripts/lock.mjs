// One at a time, across processes: a directory that only one of them can make.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const patience = 5 * 60_000;

function holder(path) {
  try {
    return Number(readFileSync(join(path, 'pid'), 'utf8'));
  } catch {
    // Its owner is about to write it, or has just let go.
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs the work while holding the lock at `path`; takes over from a process that is gone. */
export async function withLock(path, work) {
  const until = Date.now() + patience;
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const pid = holder(path);
    if (pid !== undefined && !isAlive(pid)) rmSync(path, { recursive: true, force: true });
    else if (Date.now() > until)
      throw new Error(`${path} is held by process ${pid}; remove it if that is no build.`);
    else await delay(100);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

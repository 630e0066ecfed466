import { readdirSync, readFileSync } from 'node:fs';

/** Arguments and environment of the process and of all that it started, while it lives. */
export function watchProcesses(pid: number) {
  const seen = new Set<string>();
  const look = () => {
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        if (Number(name) !== pid && parent !== pid) continue;
        seen.add(readFileSync(`/proc/${name}/cmdline`, 'utf8'));
        seen.add(readFileSync(`/proc/${name}/environ`, 'utf8'));
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  const timer = setInterval(look, 5);
  return {
    seen,
    stop: () => clearInterval(timer),
  };
}

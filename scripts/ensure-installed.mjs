// Installs what is missing: node_modules absent, cut short, or older than the lockfile. Plain Node,
// because nothing is installed when it runs.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `20.19` of `>=20.19` in package.json. */
function neededNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return /(\d+)\.(\d+)/.exec(engines.node).slice(1).map(Number);
}

export function checkNode() {
  const [major, minor] = neededNode();
  const [haveMajor, haveMinor] = process.versions.node.split('.').map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return;
  console.error(
    `error: reviewops needs Node ${major}.${minor} or newer; this is ${process.version}.\nnext: Install a newer Node (https://nodejs.org), or choose one with your version manager.`,
  );
  process.exit(1);
}

/** npm writes this file last: its age is that of a complete installation. */
const record = join(root, 'node_modules', '.package-lock.json');

/** Why an installation is needed; undefined when it is not. */
function missing() {
  if (!existsSync(join(root, 'node_modules'))) return 'node_modules is missing';
  if (!existsSync(record)) return 'the last installation was cut short';
  const lockfile = join(root, 'package-lock.json');
  if (statSync(lockfile).mtimeMs <= statSync(record).mtimeMs) return undefined;
  // A checkout touches the lockfile without changing it.
  return sameVersions(lockfile) ? undefined : 'package-lock.json is newer than node_modules';
}

function sameVersions(lockfile) {
  const wanted = JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    if (present[path] === undefined) return entry.optional === true || entry.peer === true;
    return present[path].version === entry.version && present[path].integrity === entry.integrity;
  });
}

/** Installs when needed; says so, and what to do when it fails. True when something was installed. */
export function ensureInstalled(log = console.error) {
  const reason = missing();
  if (reason === undefined) return false;
  log(`Installing the packages (${reason}) …`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status, error } = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    // Stdout belongs to the result of whoever asked.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return true;
  console.error(
    `error: npm ci failed${error === undefined ? '' : `: ${error.message}`}; its own message is above.\nnext: Check the network and registry (npm config get registry), free space (df -h .) and that you may write to ${root}; then run it again.`,
  );
  process.exit(1);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  checkNode();
  ensureInstalled();
}

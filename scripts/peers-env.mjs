// Makes the Python environment of `npm run test:peers` and `npm run bench:peers` in .peers/. Does
// nothing when it is there and peers/requirements.txt has not changed since.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withLock } from './lock.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const directory = join(root, '.peers');
const environment = join(directory, 'venv');
const stampFile = join(directory, 'stamp');
const requirements = join(root, 'peers', 'requirements.txt');
const windows = process.platform === 'win32';
const oldest = [3, 11];

/** The environment's interpreter. */
export const python = windows
  ? join(environment, 'Scripts', 'python.exe')
  : join(environment, 'bin', 'python');

class Stop extends Error {
  constructor(message, hint) {
    super(`${message}\nnext: ${hint}`);
  }
}

const base = process.env.REVIEWOPS_PYTHON ?? (windows ? 'python' : 'python3');
const installHint = `Install Python ${oldest.join('.')} or newer (https://www.python.org), or name one in REVIEWOPS_PYTHON. Only the comparisons with other programs need it.`;

/** `3.11.7` of the Python that makes the environment. */
function baseVersion() {
  const { status, stdout, error } = spawnSync(
    base,
    ['-c', 'import platform; print(platform.python_version())'],
    { encoding: 'utf8' },
  );
  if (error !== undefined || status !== 0) throw new Stop(`${base} was not found.`, installHint);
  const version = stdout.trim();
  const [major, minor] = version.split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    throw new Stop(`${base} is Python ${version}, which is too old.`, installHint);
  }
  return version;
}

function run(program, args, hint) {
  const { status, error } = spawnSync(program, args, {
    // Stdout belongs to the result of whoever asked.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
  });
  if (status === 0) return;
  const reason = error === undefined ? '' : `: ${error.message}`;
  throw new Stop(`${program} ${args.slice(0, 3).join(' ')} failed${reason}`, hint);
}

function make() {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const stamp = `${baseVersion()} ${hash}\n`;
  const same = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (same && existsSync(python)) return;
  rmSync(stampFile, { force: true });
  rmSync(environment, { recursive: true, force: true });
  console.error(`Installing the packages of peers/requirements.txt into ${environment} …`);
  run(
    base,
    ['-m', 'venv', environment],
    'Python needs its venv module: on Debian and Ubuntu, `apt install python3-venv`.',
  );
  run(
    python,
    ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '-r', requirements],
    'Check the network and the package index (pip config list); there must be wheels for this Python.',
  );
  writeFileSync(stampFile, stamp);
}

/** Makes the environment when needed. Throws an Error that says what to do. */
export async function ensurePeers() {
  mkdirSync(directory, { recursive: true });
  await withLock(join(directory, '.lock'), async () => make());
  return python;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await ensurePeers();
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}

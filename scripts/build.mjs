// Compiles src to dist, copies what is not code, and writes oclif.manifest.json. Does nothing when
// nothing changed since the last build that succeeded. `--force` builds in any case.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { vendor } from './vendor.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');
const target = join(root, 'dist');
const stampFile = join(target, '.build-stamp');
const manifestFile = join(root, 'oclif.manifest.json');

function filesOf(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Changes whenever an input of the build does. */
function stamp() {
  const hash = createHash('sha256');
  const inputs = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'scripts/build.mjs',
    'scripts/vendor.mjs',
  ];
  for (const file of [...inputs.map((name) => join(root, name)), ...filesOf(source)]) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`);
  }
  return `${process.version} ${hash.digest('hex')}\n`;
}

function replace(file, text) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

/** What was built from a source that is gone would still be a command. */
function removeOrphans() {
  for (const file of filesOf(target)) {
    const name = relative(target, file);
    if (name.startsWith('.') || dirname(name) === 'vendor') continue;
    const made = name.replace(/\.js$/, '');
    const origins = [name, `${made}.ts`, `${made}.tsx`].map((origin) => join(source, origin));
    if (!origins.some((origin) => existsSync(origin))) rmSync(file);
  }
}

function compile() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // The record of an earlier build is worthless when its output was deleted.
  if (!existsSync(join(target, 'cli', 'main.js')))
    rmSync(join(target, '.tsbuildinfo'), { force: true });
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], {
    cwd: root,
    // Stdout says only what the build did.
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('The compiler found errors; see above.');
}

function copyData() {
  for (const file of filesOf(source)) {
    if (!/\.(sql|ya?ml|json)$/.test(file)) continue;
    const copy = join(target, relative(source, file));
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
  }
}

async function writeManifest() {
  const { Plugin } = await import('@oclif/core/config');
  const { settings } = await import('@oclif/core/settings');
  // Where Node runs TypeScript itself, NODE_ENV=test would name the sources in place of what was built.
  settings.enableAutoTranspile = false;
  const plugin = new Plugin({
    root,
    type: 'core',
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  replace(manifestFile, `${JSON.stringify(plugin.manifest, null, 2)}\n`);
}

async function build() {
  const now = stamp();
  const same = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === now;
  if (same && existsSync(manifestFile) && !process.argv.includes('--force')) return 'up to date';
  rmSync(stampFile, { force: true });
  compile();
  copyData();
  removeOrphans();
  await vendor(root, target);
  await writeManifest();
  replace(stampFile, now);
  return 'done';
}

try {
  mkdirSync(target, { recursive: true });
  console.log(`build: ${await withLock(join(target, '.build.lock'), build)}`);
} catch (error) {
  console.error(`build failed: ${error.message}`);
  process.exitCode = 1;
}

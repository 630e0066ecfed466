#!/usr/bin/env node
// Plain syntax: an old Node must get as far as the message that it is too old.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const argv = process.argv.slice(2);
const pjson = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

function nodeIsOld() {
  const needed = /(\d+)\.(\d+)/.exec(pjson.engines.node);
  const present = process.versions.node.split('.');
  if (Number(present[0]) !== Number(needed[1])) return Number(present[0]) < Number(needed[1]);
  return Number(present[1]) < Number(needed[2]);
}

function fail(code, message, hint, status = 1) {
  if (argv.includes('--json')) {
    const document = { status, error: { code, message, hint } };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    process.stderr.write(`error: ${message} [${code}]\nnext: ${hint}\n`);
  }
  process.exitCode = status;
}

// Until a command listens itself. Otherwise a script would get no document while modules load.
function stopEarly() {
  fail('INTERRUPTED', 'Interrupted before it began.', 'Run it again.', 130);
  process.exit();
}

function version() {
  if (argv[0] !== '--version' && argv[0] !== '-v') return false;
  if (argv.length === 1) {
    process.stdout.write(`${pjson.name}/${pjson.version} node-${process.version}\n`);
    return true;
  }
  if (argv.length === 2 && argv[1] === '--json') {
    const result = { name: pjson.name, version: pjson.version, node: process.version };
    process.stdout.write(`${JSON.stringify({ status: 0, result, warnings: [] }, null, 2)}\n`);
    return true;
  }
  return false;
}

async function start() {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stopEarly);
  const module = await import('node:module');
  if (typeof module.enableCompileCache === 'function') module.enableCompileCache();
  let cli;
  try {
    cli = await import('../dist/cli/main.js');
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    fail(
      'NOT_BUILT',
      `A part of the program is missing: ${error.message}`,
      'Run `npm ci && npm run build`.',
    );
    return;
  }
  await cli.main(argv, { root, stopEarly });
}

if (nodeIsOld()) {
  fail(
    'NODE_TOO_OLD',
    `reviewops needs Node ${pjson.engines.node}; this is ${process.version}.`,
    'Install a newer Node (https://nodejs.org), or choose one with your version manager.',
  );
} else if (!version()) {
  start();
}

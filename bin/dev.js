#!/usr/bin/env node
// Runs the command line from the sources, without a build.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { register } from 'tsx/esm/api';

register();
const root = fileURLToPath(new URL('..', import.meta.url));
const pjson = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
pjson.oclif.commands = './src/commands';
const { main } = await import('../src/cli/main.ts');
await main(process.argv.slice(2), { root, pjson });

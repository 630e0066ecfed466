import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the code of runbooks lies. The engine and the stores count by the tool's version. */
const parts =
  /^(runbooks\/(?!engine\/)|(diagnosis|maintenance|credentials|privacy|access|incidents)\/)/;

const imports = /\b(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g;

const known = new Map<string, string>();

/**
 * SHA-256 over the text of a runbook's module and of every module of runbooks and of the domains
 * they act on that it imports, at once or later: the helpers that its steps call. 64 hex digits.
 */
export function sourceHash(module: string): string {
  const before = known.get(module);
  if (before !== undefined) return before;
  const path = fileURLToPath(module);
  const root = path.slice(0, path.lastIndexOf('/runbooks/') + 1);
  const texts = new Map<string, string>();
  const open = [path];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const name = file.slice(root.length);
    if (texts.has(name) || !parts.test(name)) continue;
    const text = readFileSync(file, 'utf8');
    texts.set(name, text);
    for (const [, , specifier = ''] of text.matchAll(imports)) {
      const found = resolve(join(dirname(file), specifier));
      if (found !== undefined) open.push(found);
    }
  }
  const hash = createHash('sha256');
  for (const name of [...texts.keys()].sort()) hash.update(JSON.stringify([name, texts.get(name)]));
  const digest = hash.digest('hex');
  known.set(module, digest);
  return digest;
}

/** Sources import each other by the names they will have once they are built. */
const resolve = (path: string): string | undefined =>
  [path, path.replace(/\.js$/, '.ts')].find((one) => existsSync(one));

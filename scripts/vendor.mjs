// Bundles libraries that many commands load into dist/vendor, and points what the compiler wrote to
// them: a start reads a few files in place of some hundred. See docs/decisions/bundled-libraries.md.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { build } from 'esbuild';

const libraries = [
  '@aws-sdk/client-iam',
  '@aws-sdk/client-s3',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/client-ssm',
  '@aws-sdk/client-sts',
  '@duckdb/node-api',
  '@oclif/core',
  'dotenv',
  'ink',
  'pg',
  'pg-copy-streams',
  'react',
  'react/jsx-runtime',
  'yaml',
  'zod',
];

/** Optional parts that are not installed, what only loads sources, and what finds its binary beside itself. */
const outside = ['pg-native', 'react-devtools-core', 'typescript', '@duckdb/node-bindings'];

const entryName = (library) => library.replace('@', '').replaceAll('/', '-');

/** Every name of the library, one by one: a CommonJS one says them only when it runs. */
const entries = {
  name: 'entries',
  setup(setup) {
    setup.onResolve({ filter: /^entry:/ }, ({ path }) => ({ path, namespace: 'entry' }));
    setup.onLoad({ filter: /.*/, namespace: 'entry' }, async ({ path }) => {
      const library = path.slice('entry:'.length);
      const names = Object.keys(await import(library));
      // From version 23 on, Node has a CommonJS library name itself, too.
      const exported = names.filter((name) => name !== 'module.exports').join(', ');
      return {
        contents: `export { ${exported} } from '${library}';`,
        resolveDir: import.meta.dirname,
      };
    });
  },
};

/** The messages of zod in 47 languages would be read at each start; ours are in English. */
const english = {
  name: 'english',
  setup(setup) {
    setup.onResolve({ filter: /\/locales\/index\.js$/ }, ({ path, importer, resolveDir }) =>
      importer.includes(`${sep}zod${sep}`)
        ? { path: join(resolveDir, dirname(path), 'en.js') }
        : undefined,
    );
  },
};

/** `root` is the directory of package.json, `target` holds what the compiler wrote. */
export async function vendor(root, target) {
  const directory = join(target, 'vendor');
  await bundle(root, directory, join(target, '.vendor-stamp'));
  for (const entry of readdirSync(target, { withFileTypes: true, recursive: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || !file.endsWith('.js') || file.startsWith(directory)) continue;
    const text = readFileSync(file, 'utf8');
    const to = relative(dirname(file), directory).replaceAll(sep, '/');
    const linked = text.replace(
      /(\bfrom |\bimport\()(['"])([^'".\n][^'"\n]*)\2/g,
      (whole, before, quote, name) =>
        libraries.includes(name)
          ? `${before}${quote}${to.startsWith('.') ? '' : './'}${to}/${entryName(name)}.js${quote}`
          : whole,
    );
    if (linked !== text) writeFileSync(file, linked);
  }
}

async function bundle(root, directory, stampFile) {
  const hash = createHash('sha256');
  for (const name of ['package-lock.json', 'scripts/vendor.mjs'])
    hash.update(readFileSync(join(root, name)));
  const stamp = `${hash.digest('hex')}\n`;
  const same = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (same && existsSync(directory)) return;
  rmSync(stampFile, { force: true });
  rmSync(directory, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: libraries.map((name) => ({ in: `entry:${name}`, out: entryName(name) })),
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: outside,
    plugins: [entries, english],
    define: {
      // What Node says of itself from version 21 on. Without it pg asks fetch whether this is
      // Cloudflare, and Node 20 loads its HTTP client for that.
      navigator: '{"userAgent":"Node.js"}',
      // One build of React in place of two.
      'process.env.NODE_ENV': '"production"',
    },
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
    },
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(join(directory, 'LICENSES.txt'), licences(root, Object.keys(metafile.inputs)));
  writeFileSync(stampFile, stamp);
}

/** The licence texts of what is inside the bundles. */
function licences(root, inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null) packages.add(found[1]);
  }
  const texts = [...packages].sort().map((directory) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, directory, 'package.json'), 'utf8'),
    );
    const file = readdirSync(join(root, directory)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : readFileSync(join(root, directory, file), 'utf8').trim();
    return `${name} ${version} (${license})\n\n${text}`.trim();
  });
  return `${texts.join(`\n\n${'-'.repeat(72)}\n\n`)}\n`;
}

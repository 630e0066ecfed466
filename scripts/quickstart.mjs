// From a fresh clone to the best review of a product: installs, builds, starts an embedded
// PostgreSQL, imports a generated sample, runs the pipeline and shows what came of it. Everything
// it makes lies in .reviewops. Plain Node until the packages are there.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkNode, ensureInstalled } from './ensure-installed.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const usageStatus = 2;
const defaultReviews = 50_000;

class Stop extends Error {
  constructor(status, lines) {
    super(lines.join('\n'));
    this.status = status;
  }
}

function readReviews() {
  let text;
  try {
    text = parseArgs({ options: { reviews: { type: 'string' } } }).values.reviews;
  } catch (error) {
    throw new Stop(usageStatus, [`error: ${error.message}`, usageHint]);
  }
  const reviews = text === undefined ? defaultReviews : Number(text);
  if (Number.isSafeInteger(reviews) && reviews > 0) return reviews;
  throw new Stop(usageStatus, [
    `error: --reviews takes a whole number above 0, not "${text}".`,
    usageHint,
  ]);
}
const usageHint = 'next: npm run quickstart -- --reviews 50000';

// A reader that went away (`| head`) wants no more.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

/** The child ends by itself on Ctrl-C and says how; this process waits for it. */
process.on('SIGINT', () => undefined);

function run(script, args, environment = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, script), ...args], {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, stdout }));
  });
}

/** The sample must never reach a database of the operator's own. */
function withoutDatabase() {
  const { NEON_DB_URL: url, DATABASE_URL: alias, ...environment } = process.env;
  if (url || alias) {
    console.log(
      'A database is set in the environment; this uses the embedded one and leaves yours alone.\n',
    );
  }
  return environment;
}

async function checkNoDatabase(cli) {
  const { values } = await cli('config', 'show');
  const { source } = values.find(({ key }) => key === 'NEON_DB_URL') ?? {};
  if (source !== undefined && source !== 'unset') {
    throw new Stop(1, [
      `error: ${source} names a database of your own; the quickstart would fill it with made-up reviews.`,
      'next: Take the database out of that file for now, or run the commands one by one: see README.md.',
    ]);
  }
}

const cliWith =
  (environment) =>
  async (...args) => {
    const quiet = process.stderr.isTTY ? [] : ['--quiet'];
    const { code, stdout } = await run('bin/run.js', [...args, '--json', ...quiet], environment);
    let document;
    try {
      document = JSON.parse(stdout);
    } catch {
      throw new Stop(code || 1, [
        `error: \`reviewops ${args.join(' ')}\` ended with ${code}.`,
        stdout,
      ]);
    }
    if (document.error === undefined) return document.result;
    const { code: name, message, hint } = document.error;
    throw new Stop(code, [
      `error: \`reviewops ${args.join(' ')}\`: ${message} [${name}]`,
      ...(hint ? [`next: ${hint}`] : []),
    ]);
  };

function say(what, reused) {
  console.log(`${reused ? '=' : '+'} ${what}`);
}

async function prepare() {
  checkNode();
  const installed = ensureInstalled();
  say(installed ? 'packages installed' : 'packages: reused', !installed);
  const build = await run('scripts/build.mjs', []);
  if (build.code !== 0) {
    throw new Stop(1, [
      build.stdout,
      'error: The build failed; its messages are above.',
      'next: In an unchanged clone run `npm ci && npm run build -- --force`; else correct what they name.',
    ]);
  }
  const builtNow = build.stdout.includes('done');
  say(builtNow ? 'program built' : 'build: reused', !builtNow);
}

async function fill(cli, reviews, text) {
  const before = await cli('local', 'status');
  const schema = await cli('db', 'init');
  const server = await cli('local', 'status');
  say(
    `${before.running ? 'embedded PostgreSQL: reused, running' : 'embedded PostgreSQL started'} (version ${server.version}, port ${server.port})`,
    before.running,
  );
  const made = schema.applied.length;
  say(made > 0 ? `schema created (${made} migrations)` : 'schema: reused', made === 0);
  const imported = await cli('db', 'import', '--sample', String(reviews));
  const records = `${text.formatCount(reviews)} reviews, ${text.formatCount(imported.read)} records`;
  if (imported.loaded === 0) say(`sample: reused (${records})`, true);
  else {
    say(
      `sample imported: ${records} in ${text.formatSeconds(imported.seconds)} (${text.formatCount(imported.loaded)} loaded, ${text.formatCount(imported.rejected)} rejected, ${text.formatCount(imported.folded)} folded)`,
      false,
    );
  }
}

function showStages({ batchId, stages, seconds }, text) {
  const rows = stages.map((stage) => [
    stage.stage,
    text.formatCount(stage.rowsIn),
    text.formatCount(stage.rowsOut),
    text.formatCount(stage.rejected),
    text.formatSeconds(stage.seconds),
    text.formatCount(Math.round(stage.rowsIn / Math.max(stage.seconds, 0.001))),
  ]);
  const right = { align: 'right' };
  const heads = ['rows in', 'rows out', 'rejected', 'time', 'rows/s'];
  const columns = [{ name: 'stage' }, ...heads.map((name) => ({ name, ...right }))];
  console.log(`\nThe pipeline (batch ${batchId}, ${text.formatSeconds(seconds)})\n`);
  console.log(text.renderTable(columns, rows, { color: false }));
}

function clip(body, length = 150) {
  const line = body.replace(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

async function showBest(cli, text) {
  const { products } = await cli('product', 'list', '--limit', '3');
  console.log('\nThe best reviews');
  let first;
  for (const { productId } of products) {
    const best = await cli('product', 'best', productId);
    first ??= best;
    const { productName, reviews, score, rating, title, body, reviewId } = best;
    console.log(
      `\n  ${productName ?? productId}, the best of ${text.formatCount(reviews)} reviews`,
    );
    console.log(`  ${reviewId}: score ${score.toFixed(1)}, rating ${rating}: ${title ?? ''}`);
    console.log(`  "${clip(body)}"`);
  }
  if (first === undefined) return undefined;
  const { components } = await cli('review', 'explain', first.reviewId);
  console.log(`\nWhy ${first.reviewId}\n`);
  console.log(
    text.renderTable(
      [
        { name: 'component' },
        { name: 'weight', align: 'right' },
        { name: 'value', align: 'right' },
        { name: 'points', align: 'right' },
      ],
      components.map(({ name, weight, value, points }) => [
        name,
        weight.toFixed(2),
        value === null ? '–' : value.toFixed(2),
        points.toFixed(1),
      ]),
      { color: false },
    ),
  );
  return first;
}

async function showState(cli, text) {
  const [{ batches }, { runs }, server] = [
    await cli('batch', 'list'),
    await cli('pipeline', 'status'),
    await cli('local', 'status'),
  ];
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
  const complete = batches.filter(({ state }) => state === 'complete').length;
  console.log('\nThe state of the system\n');
  console.log(
    `  database  ${server.state}, ${text.formatBytes(server.sizeBytes)}, port ${server.port}`,
  );
  console.log(
    `  lake      ${batches.length} ${batches.length === 1 ? 'batch' : 'batches'} (${complete} complete), ${text.formatBytes(bytes)}`,
  );
  console.log(`  runs      ${runs.length} known, the last one ${runs[0]?.status ?? '–'}`);
}

function showNext(best) {
  const lines = [
    ['product list', 'the products, the most reviewed first'],
    ['batch list', 'what is in the lake'],
    ['pipeline status', 'the last runs against their mean'],
    ['db import reviews.csv', 'reviews of your own (csv, tsv, jsonl; .gz too)'],
    ['config init', 'a commented configuration: weights, tables, limits'],
    ['local stop', 'stop the embedded database'],
  ];
  if (best !== undefined) {
    lines.unshift(
      [`product best ${best.productId}`, 'the best review of this product'],
      [`review explain ${best.reviewId}`, 'and why'],
    );
  }
  console.log('\nWhat to try next\n');
  for (const [command, what] of lines)
    console.log(`  node bin/run.js ${command.padEnd(32)} ${what}`);
}

try {
  const startedAt = performance.now();
  const reviews = readReviews();
  await prepare();
  const { renderTable } = await import('../dist/cli/table.js');
  const text = { renderTable, ...(await import('../dist/system/duration.js')) };
  const cli = cliWith(withoutDatabase());
  await checkNoDatabase(cli);
  await fill(cli, reviews, text);
  showStages(await cli('pipeline', 'run'), text);
  const best = await showBest(cli, text);
  await showState(cli, text);
  showNext(best);
  console.log(`\nDone in ${text.formatSeconds((performance.now() - startedAt) / 1000)}.`);
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = error.status;
}

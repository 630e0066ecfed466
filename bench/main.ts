// npm run bench -- [--reviews N,N…] [--large N] [--only NAME,NAME…] [--home DIR] [--write] [--strict]
import { parseArgs } from 'node:util';
import {
  endToEndRows,
  extractRows,
  growthRows,
  importRows,
  loadRows,
  measurePipeline,
  memoryRows,
  type PipelineFigures,
} from './pipeline.js';
import { machineFacts, type Row, renderRows, shownCommand, writeSection } from './report.js';
import { batchListRows, startUpRows } from './start-up.js';

const fromPipeline = {
  import: importRows,
  extract: extractRows,
  load: loadRows,
  'end-to-end': endToEndRows,
  memory: memoryRows,
};
type PipelineBench = keyof typeof fromPipeline;
const pipelineBenches = Object.keys(fromPipeline) as PipelineBench[];
const names = ['start-up', 'batch-list', ...pipelineBenches];

interface Request {
  reviews: number[];
  large: number | undefined;
  only: string[];
  home: string | undefined;
  write: boolean;
  strict: boolean;
}

function readRequest(args: string[]): Request {
  const { values } = parseArgs({
    args,
    options: {
      reviews: { type: 'string', default: '50000,1000000' },
      large: { type: 'string' },
      only: { type: 'string', default: names.join(',') },
      home: { type: 'string' },
      write: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
    },
  });
  const only = values.only.split(',');
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new Error(`No bench is called ${unknown.join(', ')}; there are ${names.join(', ')}.`);
  }
  return {
    reviews: values.reviews.split(',').map(toCount),
    large: values.large === undefined ? undefined : toCount(values.large),
    only,
    home: values.home,
    write: values.write,
    strict: values.strict,
  };
}

function toCount(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`"${text}" is not a number of reviews.`);
}

const tell = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

async function measureAll(request: Request): Promise<Row[]> {
  const rows: Row[] = [];
  if (request.only.includes('start-up')) {
    tell('start-up …');
    rows.push(...(await startUpRows(request.home)));
  }
  if (request.only.includes('batch-list')) {
    tell('batch list …');
    rows.push(...(await batchListRows(request.home)));
  }
  const wanted = pipelineBenches.filter((name) => request.only.includes(name));
  if (wanted.length === 0) return rows;
  const figures: PipelineFigures[] = [];
  for (const reviews of request.reviews) {
    figures.push(await measurePipeline({ parent: request.home, reviews, tell }));
  }
  for (const name of wanted) rows.push(...figures.flatMap(fromPipeline[name]));
  const base = figures.reduce((a, b) => (b.reviews > a.reviews ? b : a));
  if (request.large !== undefined && request.large > base.reviews) {
    const { home: parent, large: reviews } = request;
    // Row by row into the indexes takes longer by far than all else; the targets of size need no such baseline.
    const large = await measurePipeline({ parent, reviews, tell, withoutCopyIn: true });
    for (const name of wanted) {
      if (name !== 'memory' && name !== 'load') rows.push(...fromPipeline[name](large));
    }
    rows.push(...growthRows(base, large));
  }
  return rows;
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const request = readRequest(args);
  const rows = await measureAll(request);
  const table = renderRows(rows);
  process.stdout.write(`${table}\n`);
  if (request.write) {
    writeSection('bench', 'Against raw baselines', describe(shownCommand('bench', args), table));
  }
  if (request.strict && rows.some(({ met }) => met === false)) process.exitCode = 1;
}

const describe = (command: string, table: string): string =>
  `
\`${command}\` on ${machineFacts()}

${table}

- *COPY out*: \`COPY … TO STDOUT\` of every extracted table, one after the other on one connection, read and thrown away.
- *COPY in*: one \`COPY … FROM STDIN\` of exactly the rows that were loaded, into an unlogged table with the same indexes.
- *extract*, *load*: the stage, as \`pipeline run --json\` tells it. *extract to load*: the whole process, its start included.
- Of 50,000 reviews, what does not grow with them (connections, the plan, a statement of the engine for each of twelve tables, publishing) takes about as long as COPY takes for all of them.
`;

try {
  await main();
} catch (error) {
  tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

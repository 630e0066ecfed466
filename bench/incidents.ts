// npm run bench:incidents -- [--incidents N] [--write]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { escalateDue } from '../src/incidents/work.js';
import { fillIncidents } from '../test/support/incidents.js';
import { config, type Home, job, root, withHome } from './home.js';
import { cleanEnvironment, measure } from './process.js';
import { count, machineFacts, type Row, renderRows, seconds, writeSection } from './report.js';
import { median } from './statistics.js';

const rounds = 15;
const launcher = join(root, 'bin', 'run.js');

/** `incident list` as a whole, in turn with a Node that does nothing. */
async function listRow(home: Home, incidents: number, ...flags: string[]): Promise<Row> {
  const env = cleanEnvironment(home.directory);
  const timed = async (...args: string[]) =>
    (await measure(process.execPath, args, { cwd: home.directory, env })).seconds;
  const took: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const one = await timed(launcher, 'incident', 'list', ...flags, '--home', home.directory);
    const nothing = await timed('-e', '0');
    if (round === 0) continue;
    took.push(one);
    bare.push(nothing);
  }
  const middle = median(took);
  return {
    name: ['incident list', ...flags].join(' ').concat(`, ${count(incidents)} incidents`),
    ours: seconds(middle),
    baseline: `${seconds(median(bare))} (node -e 0)`,
    ratio: middle / median(bare),
    target: '< 300 ms',
    met: middle < 0.3,
  };
}

/** Everything that is open is due at once, and once more when nothing is. */
async function escalateRows(home: Home, incidents: number): Promise<Row[]> {
  return home.sql(async (client) => {
    const store = { client, config: config.incidents, now: job.now };
    const started = performance.now();
    const { incidents: due } = await escalateDue(store);
    const took = (performance.now() - started) / 1000;
    if (due !== incidents / 2) throw new Error(`${due} incidents were due.`);
    const again = performance.now();
    const { incidents: left } = await escalateDue(store);
    if (left !== 0) throw new Error(`${left} incidents were due again.`);
    return [
      {
        name: `escalation, ${count(due)} incidents due at once`,
        ours: `${seconds(took)}, peak ${Math.round(process.resourceUsage().maxRSS / 1000)} MB`,
        baseline: `${seconds((performance.now() - again) / 1000)} (none due)`,
      },
    ];
  });
}

const { values } = parseArgs({
  options: {
    incidents: { type: 'string', default: '100000' },
    write: { type: 'boolean', default: false },
  },
});
const incidents = Number(values.incidents);
const rows = await withHome(undefined, 'incidents', async (home) => {
  await home.cli('db', 'init');
  await home.sql((client) => fillIncidents(client, incidents, job.now()));
  return [
    await listRow(home, incidents),
    await listRow(home, incidents, '--all'),
    await listRow(home, incidents, '--json'),
    ...(await escalateRows(home, incidents)),
  ];
});
const table = renderRows(rows);
const note = `Half of the incidents are open. The list: medians of ${rounds} runs of the whole command against the embedded database, in turn with the baseline.`;
process.stdout.write(`${table}\n\n${note}\n`);
if (values.write) {
  writeSection(
    'incidents',
    'Incidents',
    `\`npm run bench:incidents\` on ${machineFacts()}\n\n${table}\n\n${note}`,
  );
}

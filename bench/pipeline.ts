import { rm } from 'node:fs/promises';
import type { PipelineResult } from '../src/pipeline/run.js';
import type { Stage } from '../src/pipeline/stage.js';
import { dumpFacts, rawCopyIn, rawCopyOut } from './baseline.js';
import { type Home, type Imported, importSample, withHome } from './home.js';
import { bytes, count, type Row, ratioRow, seconds } from './report.js';
import { median, repetitionsFor } from './statistics.js';

/** Medians over the repetitions; seconds and bytes. */
export interface PipelineFigures {
  reviews: number;
  imported: Imported | undefined;
  stages: Record<Stage, number>;
  wall: number;
  peakBytes: number | undefined;
  copyOut: number;
  copyIn: number;
}

export interface Measurement {
  /** Where homes are kept with their data; temporary ones by default. */
  parent: string | undefined;
  reviews: number;
  tell: (text: string) => void;
  /** Leaves out the baseline of the load: its figure is NaN then. */
  withoutCopyIn?: boolean;
}

/**
 * Runs the pipeline and its raw baselines in turn, so that whatever else the machine does meets
 * both. One round before counts for nothing: it warms the caches of both.
 */
export async function measurePipeline({
  parent,
  reviews,
  tell,
  withoutCopyIn = false,
}: Measurement): Promise<PipelineFigures> {
  return withHome(parent, `reviews-${reviews}`, async (home) => {
    tell(`${count(reviews)} reviews: making the sample …`);
    const imported = await importSample(home, reviews);
    const repetitions = repetitionsFor(reviews);
    const rounds: Round[] = [];
    for (let index = repetitions === 1 ? 1 : 0; index <= repetitions; index += 1) {
      tell(`${count(reviews)} reviews: round ${index} of ${repetitions} …`);
      const round = await measureRound(home, withoutCopyIn);
      if (index > 0) rounds.push(round);
    }
    const middle = (pick: (round: Round) => number) => median(rounds.map(pick));
    const peaks = rounds.map(({ peakBytes }) => peakBytes).filter((peak) => peak !== undefined);
    return {
      reviews,
      imported,
      stages: {
        extract: middle(({ stages }) => stages.extract),
        transform: middle(({ stages }) => stages.transform),
        model: middle(({ stages }) => stages.model),
        load: middle(({ stages }) => stages.load),
      },
      wall: middle(({ wall }) => wall),
      peakBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
      copyOut: middle(({ copyOut }) => copyOut),
      copyIn: middle(({ copyIn }) => copyIn),
    };
  });
}

type Round = Pick<PipelineFigures, 'stages' | 'wall' | 'peakBytes' | 'copyOut' | 'copyIn'>;

async function measureRound(home: Home, withoutCopyIn: boolean): Promise<Round> {
  await home.emptyLake();
  const copyOut = await rawCopyOut(home);
  const run = await home.cli<PipelineResult>('pipeline', 'run');
  const copyIn = withoutCopyIn ? Number.NaN : await copyFactsIn(home);
  const took = (stage: Stage) =>
    run.result.stages.find((entry) => entry.stage === stage)?.seconds ?? Number.NaN;
  return {
    stages: {
      extract: took('extract'),
      transform: took('transform'),
      model: took('model'),
      load: took('load'),
    },
    wall: run.seconds,
    peakBytes: run.peakBytes,
    copyOut,
    copyIn,
  };
}

async function copyFactsIn(home: Home): Promise<number> {
  const facts = await dumpFacts(home);
  try {
    return await rawCopyIn(home, facts.path);
  } finally {
    await rm(facts.path, { force: true });
  }
}

const smallSize = 50_000;
const smallLimit = 4;
const ordinarySize = 1_000_000;

export const importRows = ({ reviews, imported }: PipelineFigures): Row[] =>
  imported === undefined
    ? []
    : [
        {
          name: `import of the sample, ${count(reviews)} reviews`,
          ours: `${count(Math.round(imported.read / imported.seconds))} rows/s`,
          baseline: '',
        },
      ];

export const extractRows = ({ reviews, stages, copyOut }: PipelineFigures): Row[] => [
  ratioRow(
    `extract, ${count(reviews)} reviews`,
    stages.extract,
    { seconds: copyOut, what: 'COPY out' },
    1.6,
  ),
];

export const loadRows = ({ reviews, stages, copyIn }: PipelineFigures): Row[] => [
  ratioRow(`load, ${count(reviews)} reviews`, stages.load, { seconds: copyIn, what: 'COPY in' }, 2),
];

/** The small job is held against the clock, the ordinary one against the raw COPY. */
export function endToEndRows({ reviews, wall, copyOut, stages }: PipelineFigures): Row[] {
  const name = `extract to load, ${count(reviews)} reviews`;
  const parts: Row = {
    name: `of it transform and model, ${count(reviews)} reviews`,
    ours: seconds(stages.transform + stages.model),
    baseline: '',
  };
  if (reviews === ordinarySize) {
    return [ratioRow(name, wall, { seconds: copyOut, what: 'COPY out' }, 8), parts];
  }
  const row: Row = {
    name,
    ours: seconds(wall),
    baseline: `${seconds(copyOut)} (COPY out)`,
    ratio: wall / copyOut,
  };
  if (reviews !== smallSize) return [row, parts];
  return [{ ...row, target: `≤ ${smallLimit} s`, met: wall <= smallLimit }, parts];
}

/** How the largest job compares with the largest ordinary one. */
export function growthRows(base: PipelineFigures, large: PipelineFigures): Row[] {
  const growth = large.reviews / base.reviews;
  const between = `${count(large.reviews)} reviews`;
  const known = large.peakBytes !== undefined && base.peakBytes !== undefined;
  const memoryRatio = known ? (large.peakBytes ?? 0) / (base.peakBytes ?? 1) : undefined;
  return [
    {
      name: `peak memory, ${between}`,
      ours: bytes(large.peakBytes),
      baseline: `${bytes(base.peakBytes)} (${count(base.reviews)} reviews)`,
      ...(memoryRatio === undefined ? {} : { ratio: memoryRatio }),
      target: '≤ 1.3 ×, < 2 GB',
      ...(memoryRatio === undefined
        ? {}
        : { met: memoryRatio <= 1.3 && (large.peakBytes ?? 0) < 2e9 }),
    },
    ratioRow(
      `time, ${between}`,
      large.wall,
      { seconds: base.wall, what: `${count(base.reviews)} reviews` },
      Number((1.2 * growth).toFixed(2)),
    ),
  ];
}

export const memoryRows = ({ reviews, peakBytes }: PipelineFigures): Row[] => [
  { name: `peak memory, ${count(reviews)} reviews`, ours: bytes(peakBytes), baseline: '' },
];

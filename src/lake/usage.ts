import { isOperatorError } from '../system/errors.js';
import { type Key, type Lake, type Layer, layers } from './lake.js';
import { leasesPrefix, logsPrefix, usageHistoryKey } from './layout.js';

export interface Amount {
  objects: number;
  bytes: number;
}

export interface LayerUsage extends Amount {
  layer: Layer;
  /** What versions that are no longer the present ones take; nothing where the lake keeps none. */
  oldVersions: Amount;
}

export interface LakeUsage {
  layers: LayerUsage[];
  /** Logs and leases. */
  system: Amount;
  /** Of everything, old versions included. */
  total: Amount;
  /** Against the last measure that is a week old, or the oldest; null when there is none before today. */
  growth: { since: string; bytes: number; percent: number | null } | null;
  /** Null without lake.budget. */
  budget: { bytes: number; share: number } | null;
}

/** One measure a day. */
interface Measure {
  /** ISO 8601, UTC. */
  at: string;
  bytes: number;
}

const keptMeasures = 400;
const day = 86_400_000;

export interface UsageOptions {
  now: Date;
  /** Bytes. */
  budget: number | undefined;
  /** Called when today's measure could not be kept. */
  warn(message: string): void;
}

/** What the lake takes. Keeps one measure a day in the lake, for the growth. */
export async function measureUsage(lake: Lake, options: UsageOptions): Promise<LakeUsage> {
  const measured: LayerUsage[] = [];
  for (const layer of layers) {
    const prefix = `${layer}/`;
    measured.push({
      layer,
      ...(await sum(lake.list(prefix))),
      oldVersions: await sum(oldVersions(lake, prefix)),
    });
  }
  const system = add(await sum(lake.list(logsPrefix)), await sum(lake.list(leasesPrefix)));
  const total = measured.reduce((all, layer) => add(add(all, layer), layer.oldVersions), system);
  const earlier = await readHistory(lake);
  const { now, budget } = options;
  const growth = growthSince(earlier.measures, total.bytes, now);
  await keepMeasure(lake, earlier, { at: now.toISOString(), bytes: total.bytes }, options);
  return {
    layers: measured,
    system,
    total,
    growth,
    budget: budget === undefined ? null : { bytes: budget, share: total.bytes / budget },
  };
}

async function* oldVersions(lake: Lake, prefix: Key): AsyncGenerator<{ bytes: number }> {
  if (lake.versions === undefined) return;
  for await (const { latest, deleted, bytes } of lake.versions.list(prefix)) {
    if (!latest && !deleted) yield { bytes };
  }
}

async function sum(entries: AsyncIterable<{ bytes: number }>): Promise<Amount> {
  const amount = { objects: 0, bytes: 0 };
  for await (const { bytes } of entries) {
    amount.objects += 1;
    amount.bytes += bytes;
  }
  return amount;
}

const add = (a: Amount, b: Amount): Amount => ({
  objects: a.objects + b.objects,
  bytes: a.bytes + b.bytes,
});

/** Compares with the newest measure that is at least a week old, else with the oldest. */
function growthSince(measures: readonly Measure[], bytes: number, now: Date): LakeUsage['growth'] {
  const age = ({ at }: Measure): number => (now.getTime() - new Date(at).getTime()) / day;
  const before = measures.filter(({ at }) => at.slice(0, 10) < now.toISOString().slice(0, 10));
  const base = before.findLast((measure) => age(measure) >= 7) ?? before[0];
  if (base === undefined) return null;
  const percent = base.bytes === 0 ? null : ((bytes - base.bytes) / base.bytes) * 100;
  return { since: base.at, bytes: bytes - base.bytes, percent };
}

interface History {
  measures: Measure[];
  etag: string | undefined;
}

async function readHistory(lake: Lake): Promise<History> {
  const found = await lake.readVersion(usageHistoryKey);
  if (found === undefined) return { measures: [], etag: undefined };
  try {
    const measures = JSON.parse(found.body.toString('utf8')) as Measure[];
    const valid = measures.filter(({ at, bytes }) => !Number.isNaN(Date.parse(at)) && bytes >= 0);
    return { measures: valid, etag: found.etag };
  } catch {
    // Damaged by hand: the history begins anew.
    return { measures: [], etag: found.etag };
  }
}

async function keepMeasure(
  lake: Lake,
  { measures, etag }: History,
  measure: Measure,
  { warn }: UsageOptions,
): Promise<void> {
  const today = measure.at.slice(0, 10);
  if (measures.some(({ at }) => at.slice(0, 10) === today)) return;
  const kept = [...measures, measure].slice(-keptMeasures);
  try {
    const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag };
    await lake.put(usageHistoryKey, `${JSON.stringify(kept, null, 1)}\n`, condition);
  } catch (error) {
    if (!isOperatorError(error)) throw error;
    // Somebody else has just kept theirs, which does as well.
    if (['OBJECT_EXISTS', 'OBJECT_CHANGED'].includes(error.code)) return;
    if (!['LAKE_ACCESS_DENIED', 'PERMISSION_DENIED', 'READ_ONLY_DISK'].includes(error.code))
      throw error;
    warn(`The measure was not kept for later comparisons: ${error.message}`);
  }
}

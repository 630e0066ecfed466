import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { probePlace, removeOldProbes, writtenPlaces } from '../../diagnosis/lake-probe.js';
import { formatBytes, formatCount } from '../../system/duration.js';
import { errorCode } from '../../system/errors.js';
import { mapParallel } from '../../system/parallel.js';
import { parseSize } from '../../system/size.js';
import {
  type Check,
  type CheckState,
  judged,
  ok,
  percent,
  skipped,
  stateOf,
  unknown,
  worse,
} from '../check.js';
import { lakeDirectories, probesBelongUntil } from '../lake-survey.js';

/** The lake as a store: whether it can be read and written, and how full it is. */

const group = 'lake';

const storeErrors = { id: 's3-errors', input: {} };

export const lake: Check = {
  name: 'lake',
  title: 'Lake reachable',
  group,
  needs: ['lake'],
  onFailure: 'critical',
  failureRunbook: storeErrors,
  run: async ({ lake: survey }) => {
    const { objects, bytes, batchIds, seconds, lake: store } = await survey();
    return ok(
      `${store.description}: ${batchIds.length} batches, ${formatCount(objects)} objects, ${formatBytes(bytes)}`,
      { value: seconds, unit: 'seconds', evidence: { objects, bytes, batches: batchIds.length } },
    );
  },
};

export const writable: Check = {
  name: 'lake-writable',
  title: 'Lake writable',
  group,
  needs: ['lake'],
  onFailure: 'critical',
  failureRunbook: storeErrors,
  run: async ({ lake: survey, now }) => {
    const { lake: store, abandonedProbes } = await survey();
    const started = performance.now();
    // All of them end before this does: a probe that goes on alone would be left behind.
    await mapParallel(writtenPlaces, writtenPlaces.length, (place) => probePlace(store, place));
    const seconds = (performance.now() - started) / 1000;
    // Of checks that were killed between writing and deleting.
    await removeOldProbes(store, abandonedProbes, probesBelongUntil(now()));
    return ok(`a probe was written, read and deleted in ${writtenPlaces.join(', ')}`, {
      value: seconds,
      unit: 'seconds',
    });
  },
};

export const space: Check = {
  name: 'lake-space',
  title: 'Lake space against its budget',
  group,
  needs: ['lake'],
  run: async ({ config, lake: survey }) => {
    const { bytes } = await survey();
    const { budget } = config.lake;
    if (budget === undefined) {
      return skipped(`${formatBytes(bytes)} are used; lake.budget is not set`, {
        evidence: { bytes },
      });
    }
    const used = percent(bytes, parseSize(budget));
    const threshold = config.health.lakeSpacePercent;
    return judged(stateOf(used, threshold), `${formatBytes(bytes)} of ${budget} (${used} %)`, {
      value: used,
      unit: 'percent',
      threshold,
      evidence: { bytes, budget: parseSize(budget) },
      runbook: { id: 'purge-batches', input: { olderThan: '30d' } },
    });
  },
};

/** A directory that is still to be made lies on the disk of the next one above it. */
async function fileSystemOf(path: string) {
  for (let at = path; ; at = dirname(at)) {
    try {
      return await statfs(at);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || at === dirname(at)) throw error;
    }
  }
}

export const disk: Check = {
  name: 'disk',
  title: 'Local disk',
  group,
  needs: ['local'],
  run: async ({ config, home }) => {
    const threshold = config.health.diskPercent;
    const found = await Promise.all(
      [...new Set([home, ...lakeDirectories(config, home)])].map(async (path) => {
        const { blocks, bfree, bavail, bsize } = await fileSystemOf(path);
        // As df: what only root may take counts neither as used nor as free.
        const used = blocks - bfree;
        return { path, used: percent(used, used + bavail), free: bavail * bsize, blocks };
      }),
    );
    const [fullest] = found.filter(({ blocks }) => blocks > 0).sort((a, b) => b.used - a.used);
    if (fullest === undefined) return unknown('the file system does not say how full it is');
    const state = found.map(({ used }) => stateOf(used, threshold)).reduce<CheckState>(worse, 'ok');
    return judged(
      state,
      `${fullest.used} % used at ${fullest.path}, ${formatBytes(fullest.free)} free`,
      {
        value: fullest.used,
        unit: 'percent',
        threshold,
        evidence: { places: found },
        runbook: { id: 'purge-batches', input: { olderThan: '30d' } },
      },
    );
  },
};

import type { Key } from '../lake/lake.js';
import { tableOfKey } from '../lake/privacy-layout.js';
import { readLayer } from '../lake/publish.js';
import { pseudonymKeyId } from '../pipeline/pseudonym.js';
import { isOperatorError } from '../system/errors.js';
import { type LakeUnit, listUnits } from './lake-units.js';
import type { LakeWork } from './lake-work.js';
import { type Shape, shapeOf } from './shapes.js';

/** A Parquet file of a known table, and by what its rows belong to a person. */
export interface Candidate {
  unit: LakeUnit;
  shape: Shape;
}

/** All that lies in the lake, by how it is searched. */
export interface LakeCandidates {
  candidates: Candidate[];
  /** Parquet files of no known table. */
  unknown: LakeUnit[];
  /** What is no Parquet file. */
  others: LakeUnit[];
  keys: Set<Key>;
  /** What is searched by a weaker link only. */
  notes: string[];
}

/** Lists the objects of the lake, old versions included. */
export async function listCandidates(work: LakeWork): Promise<LakeCandidates> {
  const { lake, model, config, pseudonymKey } = work;
  const present = pseudonymKeyId(pseudonymKey);
  const sameKeys = new Map<string, boolean>();
  const shapes = new Map<string, Shape | undefined>();
  const listed: LakeCandidates = {
    candidates: [],
    unknown: [],
    others: [],
    keys: new Set(),
    notes: [],
  };
  for (const unit of await listUnits(lake)) {
    listed.keys.add(unit.key);
    if (!unit.key.endsWith('.parquet')) {
      listed.others.push(unit);
      continue;
    }
    const place = tableOfKey(unit.key);
    let sameKey = true;
    if (place !== undefined && (place.layer === 'silver' || place.layer === 'gold')) {
      const name = `${place.layer} ${place.batchId}`;
      const known = sameKeys.get(name);
      sameKey = known ?? (await madeWith(work, place.layer, place.batchId, present));
      if (known === undefined && !sameKey) {
        listed.notes.push(
          `${place.layer} of batch ${place.batchId} was made with another key: reviews are found there by review id only.`,
        );
      }
      sameKeys.set(name, sameKey);
    }
    const name = `${place?.layer}/${place?.table}/${sameKey}`;
    if (!shapes.has(name)) shapes.set(name, shapeOf(unit.key, model, config, sameKey));
    const shape = place === undefined ? undefined : shapes.get(name);
    if (shape === undefined) listed.unknown.push(unit);
    else listed.candidates.push({ unit, shape });
  }
  return listed;
}

async function madeWith(
  { lake }: LakeWork,
  layer: 'silver' | 'gold',
  batchId: string,
  keyId: string,
): Promise<boolean> {
  try {
    const published = await readLayer(lake, layer, batchId);
    const made = published?.manifest.settings.pseudonymKeyId;
    return made === undefined || made === keyId;
  } catch (error) {
    if (isOperatorError(error) && error.code === 'MANIFEST_CORRUPT') return false;
    throw error;
  }
}

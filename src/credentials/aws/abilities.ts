import { probePlace } from '../../diagnosis/lake-probe.js';
import { type Lake, type Layer, layers } from '../../lake/lake.js';
import { isOperatorError } from '../../system/errors.js';
import type { Ability } from '../ability.js';
import type { UserKeys } from './keys.js';
import type { LayerRights } from './prove.js';

type Found = Pick<Ability, 'what' | 'expected' | 'found' | 'detail'>;

/** What nobody who works with the data needs, and an intruder does. */
const forbidden = [
  'iam:CreateUser',
  'iam:AttachUserPolicy',
  'iam:PutUserPolicy',
  'iam:CreatePolicyVersion',
  's3:DeleteBucket',
];

/** Tries to read and to write each layer that is on S3; nothing is left behind. */
export async function lakeAbilities(
  lake: Lake,
  rights: LayerRights,
  onS3: readonly Layer[],
): Promise<Found[]> {
  const found: Found[] = [];
  for (const layer of layers) {
    if (!onS3.includes(layer)) continue;
    const right = rights[layer];
    found.push(
      await attempt(`read ${layer}`, right !== undefined, async () => {
        for await (const _object of lake.list(`${layer}/`)) break;
      }),
      await attempt(`write ${layer}`, right === 'write', () => probePlace(lake, layer)),
    );
  }
  return found;
}

async function attempt(what: string, expected: boolean, work: () => Promise<void>): Promise<Found> {
  const shared = { what, expected: expected ? 'can' : 'cannot' } as const;
  try {
    await work();
    return { ...shared, found: 'can', detail: '' };
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    const denied = error.code === 'LAKE_ACCESS_DENIED';
    return { ...shared, found: denied ? 'cannot' : 'unknown', detail: error.message };
  }
}

/** What the policies would let it do that it must not, by simulation. */
export async function forbiddenAbilities(keys: UserKeys, arn: string): Promise<Found[]> {
  try {
    const decisions = await keys.simulate(arn, forbidden, '*');
    return decisions.map(({ action, decision }) => ({
      what: action,
      expected: 'cannot',
      found: decision === 'allowed' ? 'can' : 'cannot',
      detail: decision,
    }));
  } catch (error) {
    if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
    return forbidden.map((what) => ({
      what,
      expected: 'cannot',
      found: 'unknown',
      detail: `it cannot be simulated: ${error.message}`,
    }));
  }
}

import { type AwsKey, accessAs } from '../../credentials/aws/access.js';
import { identify } from '../../credentials/aws/identity.js';
import { type LayerRights, succeedInARow, useLake } from '../../credentials/aws/prove.js';
import { type Lake, type Layer, layers } from '../../lake/lake.js';
import { failed } from '../../system/errors.js';
import type { Finding } from '../engine/definition.js';
import { keyOf, ownAccess } from './aws-access.js';
import { planned, settingsOf } from './aws-preflight.js';
import type { AnyContext } from './context.js';
import { mustRotation } from './rotation.js';

const kind = 'aws';

/** The lake, opened with a key. */
export async function lakeAs(context: AnyContext, key: AwsKey): Promise<Lake> {
  const { services, signal } = context;
  const { openLake } = await import('../../lake/open.js');
  const { lookup, profile } = await services.surroundings();
  return openLake(services.config.lake, {
    home: services.home,
    profile,
    signal,
    aws: async () => ({
      credentials: { ...key, sessionToken: key.sessionToken },
      profile: undefined,
      region: (lookup('AWS_REGION') ?? lookup('AWS_DEFAULT_REGION'))?.value,
      endpoint: (lookup('AWS_ENDPOINT_URL_S3') ?? lookup('AWS_ENDPOINT_URL'))?.value,
    }),
  });
}

/** What the key has to be able to do, in the layers that are on S3. */
export async function rightsOnS3(context: AnyContext): Promise<LayerRights> {
  const { layerRights } = await import('../../lake/policy.js');
  const { lake } = context.services.config;
  const rights = layerRights[settingsOf(context).role];
  const onS3 = layers.filter((layer: Layer) => (lake.layers[layer].kind ?? lake.kind) === 's3');
  return Object.fromEntries(
    onS3.flatMap((layer) => (rights[layer] === undefined ? [] : [[layer, rights[layer]]])),
  );
}

/** STS says who it is, and the lake is used as its consumers do, several times in a row. */
export async function proveKey(context: AnyContext): Promise<Finding> {
  const { verifications: times, verifyTimeoutSeconds: seconds } = settingsOf(context);
  const { user } = planned(context);
  const { fresh } = await mustRotation(context, kind);
  const key = keyOf(fresh ?? {});
  const access = accessAs(await ownAccess(context), key);
  const rights = await rightsOnS3(context);
  const failures = await succeedInARow(
    async () => {
      const { user: holder, arn } = await identify({ ...access, maxAttempts: 1 });
      if (holder !== user) throw failed('KEY_OF_ANOTHER', `The new key belongs to ${arn}.`);
      // Opened anew each time: a connection that is known already proves less.
      await useLake(await lakeAs(context, key), rights);
    },
    {
      times,
      seconds,
      signal: context.signal,
      onFailure: (message) => context.output(`Not everywhere yet: ${message}`),
    },
  );
  const used = Object.entries(rights).map(([layer, right]) => `${layer} (${right})`);
  return {
    state: 'ok',
    summary: `It worked ${times} times in a row with STS${used.length === 0 ? '' : ` and S3: ${used.join(', ')}`}${failures === 0 ? '' : `, after ${failures} failures at first`}.`,
    evidence: { times, failures },
  };
}

import type { Ability } from '../../credentials/ability.js';
import { forbiddenAbilities, lakeAbilities } from '../../credentials/aws/abilities.js';
import { accessAs } from '../../credentials/aws/access.js';
import { identify } from '../../credentials/aws/identity.js';
import { UserKeys } from '../../credentials/aws/keys.js';
import { loginAbilities } from '../../credentials/database/abilities.js';
import { loginOf } from '../../credentials/database/login-url.js';
import { readRoles } from '../../credentials/database/roles.js';
import type { CredentialKind } from '../../credentials/record.js';
import { currentValues } from '../../credentials/store.js';
import { withClient } from '../../database/client.js';
import { externalTarget } from '../../database/url.js';
import { layers } from '../../lake/lake.js';
import { isOperatorError } from '../../system/errors.js';
import { awsAccess, keyOf, ownAccess } from './aws-access.js';
import { keyNames } from './aws-preflight.js';
import { lakeAs, rightsOnS3 } from './aws-prove.js';
import type { AnyContext } from './context.js';
import { asAdmin, findUrl, loginOptions, settingsOf } from './database-logins.js';
import { sinksOf } from './rotation.js';
import { hideValues } from './secrets.js';

/** Each credential that is handed out against what it has to, and must not, be able to do. */
export async function verifyCredentials(context: AnyContext): Promise<Ability[]> {
  return [...(await verifyDatabase(context)), ...(await verifyAws(context))];
}

async function verifyDatabase(context: AnyContext): Promise<Ability[]> {
  const url = await findUrl(context);
  if (url === undefined) return [];
  const { source, serving } = context.services.config;
  const { rights, roles, mode } = settingsOf(context);
  const { user } = loginOf(url);
  const of = (id: string) => ability('database', id);
  try {
    const options = { purpose: 'verify credential', readOnly: true, ...loginOptions(context) };
    const found = await withClient(externalTarget(url), options, (client) =>
      loginAbilities(client, {
        schemas: [...new Set([source.schema, serving.schema])],
        serving,
        rights,
      }),
    );
    const idle = mode === 'alternating' ? roles.filter((role) => role !== user) : [];
    return [
      of(user)({ what: 'log in', expected: 'can', found: 'can', detail: '' }),
      ...found.map(of(user)),
      ...(await Promise.all(idle.map((role) => verifyIdle(context, role)))),
    ];
  } catch (error) {
    return [of(user)(failedTo('log in', error))];
  }
}

/** The role whose turn it is not must not log in, unless a rotation is about to hand it over. */
async function verifyIdle(context: AnyContext, role: string): Promise<Ability> {
  const known = await asAdmin(context, (client) => readRoles(client, [role]));
  const login = known.get(role)?.login === true;
  return ability(
    'database',
    role,
  )({
    what: 'log in',
    expected: 'cannot',
    found: login ? 'can' : 'cannot',
    detail: login ? 'its turn is over or has not come' : '',
  });
}

async function verifyAws(context: AnyContext): Promise<Ability[]> {
  const { services } = context;
  const { lake } = services.config;
  const onS3 = layers.filter((layer) => (lake.layers[layer].kind ?? lake.kind) === 's3');
  const held = await currentValues(await sinksOf(context, 'aws'), keyNames);
  if (held !== undefined) hideValues(context, held);
  const own = (await ownAccess(context)).key;
  const key = held === undefined ? own : keyOf(held);
  if (onS3.length === 0 && held === undefined) return [];
  const id = key?.accessKeyId ?? 'the credentials of this environment';
  const of = ability('aws', id);
  try {
    const access = await awsAccess(context);
    const as = key === undefined ? access : accessAs(access, key);
    const caller = await identify(as);
    const rights = await rightsOnS3(context);
    const found =
      onS3.length === 0 ? [] : await lakeAbilities(await lakeAs(context, caller.key), rights, onS3);
    const keys = new UserKeys(caller.user ?? '', access);
    return [
      of({ what: 'say who it is', expected: 'can', found: 'can', detail: caller.arn }),
      ...found.map(of),
      ...(await forbiddenAbilities(keys, caller.arn)).map(of),
    ];
  } catch (error) {
    return [of(failedTo('say who it is', error))];
  }
}

type Found = Pick<Ability, 'what' | 'expected' | 'found' | 'detail'>;

const ability =
  (kind: CredentialKind, id: string) =>
  (found: Found): Ability => ({ kind, id, ...found });

function failedTo(what: string, error: unknown): Found {
  if (!isOperatorError(error) || error.code === 'INTERRUPTED') throw error;
  const rejected = /REJECTED|DENIED/.test(error.code);
  return {
    what,
    expected: 'can',
    found: rejected ? 'cannot' : 'unknown',
    detail: error.message,
  };
}

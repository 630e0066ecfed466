import { type AwsAccess, type AwsKey, clientConfig } from './access.js';
import { asking } from './errors.js';

/** Whom AWS takes us for. */
export interface AwsIdentity {
  account: string;
  arn: string;
  /** Name of the IAM user; undefined for a role, a federated login, and root. */
  user: string | undefined;
  /** Temporary credentials: they cannot rotate themselves. */
  temporary: boolean;
  key: AwsKey;
}

/** Asks STS. */
export async function identify(access: AwsAccess): Promise<AwsIdentity> {
  const sdk = await import('@aws-sdk/client-sts');
  const client = new sdk.STSClient(clientConfig(access, 'STS'));
  const { signal } = access;
  try {
    return await asking('Ask AWS who we are', signal, async () => {
      const key = await client.config.credentials();
      const { Account = '', Arn = '' } = await client.send(new sdk.GetCallerIdentityCommand({}), {
        abortSignal: signal,
      });
      return {
        account: Account,
        arn: Arn,
        user: /:user\/(?:.*\/)?([^/]+)$/.exec(Arn)?.[1],
        temporary: key.sessionToken !== undefined || key.accessKeyId.startsWith('ASIA'),
        key,
      };
    });
  } finally {
    client.destroy();
  }
}

/** The key that the standard chain finds, without using it; undefined when it finds none. */
export async function presentKey(access: AwsAccess): Promise<AwsKey | undefined> {
  const sdk = await import('@aws-sdk/client-sts');
  const client = new sdk.STSClient(clientConfig(access, 'STS'));
  try {
    return await client.config.credentials();
  } catch {
    // That there is none is what the first request will say, with its reasons.
    return undefined;
  } finally {
    client.destroy();
  }
}

import type { IAMClient } from '@aws-sdk/client-iam';
import { type AwsAccess, type AwsKey, clientConfig } from './access.js';
import { asking } from './errors.js';

export interface KeyState {
  id: string;
  active: boolean;
  createdAt: Date;
}

export interface KeyUse {
  at: Date;
  service: string;
  region: string;
}

/** The keys of one IAM user. */
export class UserKeys {
  readonly user: string;
  readonly #access: AwsAccess;

  constructor(user: string, access: AwsAccess) {
    this.user = user;
    this.#access = access;
  }

  /** Oldest first. */
  async list(): Promise<KeyState[]> {
    return this.#ask(`List the access keys of ${this.user}`, async (client, sdk, options) => {
      const found: KeyState[] = [];
      let Marker: string | undefined;
      do {
        const answer = await client.send(
          new sdk.ListAccessKeysCommand({ UserName: this.user, ...(Marker && { Marker }) }),
          options,
        );
        for (const { AccessKeyId, Status, CreateDate } of answer.AccessKeyMetadata ?? []) {
          if (AccessKeyId === undefined) continue;
          const createdAt = CreateDate ?? new Date(0);
          found.push({ id: AccessKeyId, active: Status === 'Active', createdAt });
        }
        Marker = answer.IsTruncated === true ? answer.Marker : undefined;
      } while (Marker !== undefined);
      return found.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
    });
  }

  /**
   * Makes a key. Asked once only: a second request after a lost answer would make a second key,
   * whose secret nobody has.
   */
  async create(): Promise<AwsKey> {
    return this.#ask(
      `Create an access key of ${this.user}`,
      async (client, sdk, options) => {
        const { AccessKey } = await client.send(
          new sdk.CreateAccessKeyCommand({ UserName: this.user }),
          options,
        );
        const { AccessKeyId, SecretAccessKey } = AccessKey ?? {};
        if (AccessKeyId === undefined || SecretAccessKey === undefined) {
          throw new Error('The answer to CreateAccessKey holds no key.');
        }
        return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
      },
      1,
    );
  }

  async setActive(id: string, active: boolean): Promise<void> {
    const Status = active ? 'Active' : 'Inactive';
    await this.#ask(`Set access key ${id} ${Status}`, (client, sdk, options) =>
      client.send(
        new sdk.UpdateAccessKeyCommand({ UserName: this.user, AccessKeyId: id, Status }),
        options,
      ),
    );
  }

  /** A key that is gone already is no error. */
  async remove(id: string): Promise<void> {
    await this.#ask(`Delete access key ${id}`, async (client, sdk, options) => {
      try {
        await client.send(
          new sdk.DeleteAccessKeyCommand({ UserName: this.user, AccessKeyId: id }),
          options,
        );
      } catch (error) {
        if (!(error instanceof sdk.NoSuchEntityException)) throw error;
      }
    });
  }

  /** When it was used last; undefined for never, as far as IAM knows. */
  async lastUse(id: string): Promise<KeyUse | undefined> {
    return this.#ask(`Ask for the last use of access key ${id}`, async (client, sdk, options) => {
      const { AccessKeyLastUsed: used } = await client.send(
        new sdk.GetAccessKeyLastUsedCommand({ AccessKeyId: id }),
        options,
      );
      return used?.LastUsedDate === undefined
        ? undefined
        : { at: used.LastUsedDate, service: used.ServiceName ?? '', region: used.Region ?? '' };
    });
  }

  /**
   * What of the actions the caller may not do with this user, by simulation; `unknown` where the
   * caller may not simulate.
   */
  async simulate(
    caller: string,
    actions: readonly string[],
    resource: string,
  ): Promise<{ action: string; decision: string }[]> {
    return this.#ask('Simulate the policies', async (client, sdk, options) => {
      const { EvaluationResults = [] } = await client.send(
        new sdk.SimulatePrincipalPolicyCommand({
          PolicySourceArn: caller,
          ActionNames: [...actions],
          ResourceArns: [resource],
        }),
        options,
      );
      return EvaluationResults.map(({ EvalActionName, EvalDecision }) => ({
        action: EvalActionName ?? '',
        decision: EvalDecision ?? '',
      }));
    });
  }

  async #ask<T>(
    what: string,
    work: (
      client: IAMClient,
      sdk: typeof import('@aws-sdk/client-iam'),
      options: { abortSignal: AbortSignal },
    ) => Promise<T>,
    maxAttempts?: number,
  ): Promise<T> {
    const sdk = await import('@aws-sdk/client-iam');
    const client = new sdk.IAMClient(clientConfig(this.#access, 'IAM', maxAttempts));
    const { signal } = this.#access;
    try {
      return await asking(what, signal, () => work(client, sdk, { abortSignal: signal }));
    } finally {
      client.destroy();
    }
  }
}

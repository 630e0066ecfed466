import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type AwsAccess, clientConfig } from '../aws/access.js';
import { asking, isAbsent } from '../aws/errors.js';
import type { Values } from '../record.js';
import { fromDocument, parseObject, type Sink, toDocument } from './sink.js';

const stages = { current: 'AWSCURRENT', pending: 'AWSPENDING', previous: 'AWSPREVIOUS' } as const;

interface Version {
  id: string;
  text: string;
}

type Sdk = typeof import('@aws-sdk/client-secrets-manager');

/**
 * An entry of AWS Secrets Manager. The new version waits as AWSPENDING, as its own rotations do,
 * and becomes AWSCURRENT by moving the label. Members of a JSON entry that are not ours stay.
 */
export class SecretsManagerSink implements Sink {
  readonly id: string;
  readonly readable = true;
  readonly #name: string;
  readonly #access: () => Promise<AwsAccess>;

  constructor(name: string, access: () => Promise<AwsAccess>) {
    this.#name = name;
    this.#access = access;
    this.id = `secrets-manager ${name}`;
  }

  async probe(): Promise<void> {
    await this.#ask('Look at', (client, sdk, options) =>
      client.send(new sdk.DescribeSecretCommand({ SecretId: this.#name }), options),
    );
  }

  current(names: readonly string[]): Promise<Values | undefined> {
    return this.#values('current', names);
  }

  staged(names: readonly string[]): Promise<Values | undefined> {
    return this.#values('pending', names);
  }

  async stage(values: Values): Promise<void> {
    const now = await this.#version('current');
    const staged = await this.#version('pending');
    const text = merged(now?.text, values);
    if (staged?.text === text && staged.id !== now?.id) return;
    await this.#put(text, [stages.pending]);
  }

  async unstage(): Promise<void> {
    const staged = await this.#version('pending');
    if (staged !== undefined) await this.#moveLabel(stages.pending, staged.id, undefined);
  }

  async promote(values: Values): Promise<void> {
    const now = await this.#version('current');
    const text = merged(now?.text, values);
    if (now?.text !== text) {
      // The one that waits; or, to take it back, the one before.
      const versions = [await this.#version('pending'), await this.#version('previous')];
      const there = versions.find((version) => version?.text === text);
      if (there === undefined) await this.#put(text, [stages.current]);
      else await this.#moveLabel(stages.current, now?.id, there.id);
    }
    await this.unstage();
  }

  async #values(stage: keyof typeof stages, names: readonly string[]): Promise<Values | undefined> {
    const version = await this.#version(stage);
    return version && fromDocument(version.text, names);
  }

  /** The version that has the label; undefined while none has. */
  async #version(stage: keyof typeof stages): Promise<Version | undefined> {
    return this.#ask('Read', async (client, sdk, options) => {
      try {
        const { SecretString = '', VersionId = '' } = await client.send(
          new sdk.GetSecretValueCommand({ SecretId: this.#name, VersionStage: stages[stage] }),
          options,
        );
        return { id: VersionId, text: SecretString };
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  async #put(text: string, labels: string[]): Promise<void> {
    await this.#ask('Write', (client, sdk, options) =>
      client.send(
        new sdk.PutSecretValueCommand({
          SecretId: this.#name,
          SecretString: text,
          VersionStages: labels,
        }),
        options,
      ),
    );
  }

  async #moveLabel(label: string, from: string | undefined, to: string | undefined): Promise<void> {
    await this.#ask('Label a version of', (client, sdk, options) =>
      client.send(
        new sdk.UpdateSecretVersionStageCommand({
          SecretId: this.#name,
          VersionStage: label,
          ...(from === undefined ? {} : { RemoveFromVersionId: from }),
          ...(to === undefined ? {} : { MoveToVersionId: to }),
        }),
        options,
      ),
    );
  }

  async #ask<T>(
    what: string,
    work: (
      client: SecretsManagerClient,
      sdk: Sdk,
      options: { abortSignal: AbortSignal },
    ) => Promise<T>,
  ): Promise<T> {
    const [sdk, access] = await Promise.all([
      import('@aws-sdk/client-secrets-manager'),
      this.#access(),
    ]);
    const client = new sdk.SecretsManagerClient(clientConfig(access, 'SECRETS_MANAGER'));
    const { signal } = access;
    try {
      return await asking(`${what} the entry ${this.#name}`, signal, () =>
        work(client, sdk, { abortSignal: signal }),
      );
    } finally {
      client.destroy();
    }
  }
}

/** The text of the entry with our values in it. */
function merged(before: string | undefined, values: Values): string {
  const object = parseObject(before ?? '');
  if (Object.keys(object).length === 0) return toDocument(values);
  return JSON.stringify({ ...object, ...values });
}

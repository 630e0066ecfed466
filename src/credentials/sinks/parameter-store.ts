import type { SSMClient } from '@aws-sdk/client-ssm';
import { type AwsAccess, clientConfig } from '../aws/access.js';
import { asking, isAbsent } from '../aws/errors.js';
import type { Values } from '../record.js';
import { fromDocument, type Sink, toDocument } from './sink.js';

type Sdk = typeof import('@aws-sdk/client-ssm');

/** Ends the name of the parameter that holds the values until they are current. */
const stagedSuffix = '.next';

/**
 * A SecureString of SSM. A new version of a parameter is read at once, so what is staged has a
 * parameter of its own beside it.
 */
export class ParameterStoreSink implements Sink {
  readonly id: string;
  readonly readable = true;
  readonly #name: string;
  readonly #kmsKeyId: string | undefined;
  readonly #access: () => Promise<AwsAccess>;

  constructor(name: string, kmsKeyId: string | undefined, access: () => Promise<AwsAccess>) {
    this.#name = name;
    this.#kmsKeyId = kmsKeyId;
    this.#access = access;
    this.id = `parameter-store ${name}`;
  }

  async probe(): Promise<void> {
    await this.#read(this.#name);
  }

  async current(names: readonly string[]): Promise<Values | undefined> {
    const text = await this.#read(this.#name);
    return text === undefined ? undefined : fromDocument(text, names);
  }

  async staged(names: readonly string[]): Promise<Values | undefined> {
    const text = await this.#read(this.#name + stagedSuffix);
    return text === undefined ? undefined : fromDocument(text, names);
  }

  stage(values: Values): Promise<void> {
    return this.#write(this.#name + stagedSuffix, toDocument(values));
  }

  async unstage(): Promise<void> {
    const name = this.#name + stagedSuffix;
    await this.#ask(`Delete the parameter ${name}`, async (client, sdk, options) => {
      try {
        await client.send(new sdk.DeleteParameterCommand({ Name: name }), options);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
  }

  async promote(values: Values): Promise<void> {
    const text = toDocument(values);
    if ((await this.#read(this.#name)) !== text) await this.#write(this.#name, text);
    await this.unstage();
  }

  async #read(name: string): Promise<string | undefined> {
    return this.#ask(`Read the parameter ${name}`, async (client, sdk, options) => {
      try {
        const { Parameter } = await client.send(
          new sdk.GetParameterCommand({ Name: name, WithDecryption: true }),
          options,
        );
        return Parameter?.Value;
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  async #write(name: string, value: string): Promise<void> {
    await this.#ask(`Write the parameter ${name}`, (client, sdk, options) =>
      client.send(
        new sdk.PutParameterCommand({
          Name: name,
          Value: value,
          Type: 'SecureString',
          Overwrite: true,
          ...(this.#kmsKeyId === undefined ? {} : { KeyId: this.#kmsKeyId }),
        }),
        options,
      ),
    );
  }

  async #ask<T>(
    what: string,
    work: (client: SSMClient, sdk: Sdk, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const [sdk, access] = await Promise.all([import('@aws-sdk/client-ssm'), this.#access()]);
    const client = new sdk.SSMClient(clientConfig(access, 'SSM'));
    const { signal } = access;
    try {
      return await asking(what, signal, () => work(client, sdk, { abortSignal: signal }));
    } finally {
      client.destroy();
    }
  }
}

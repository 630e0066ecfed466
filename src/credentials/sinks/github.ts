import { failed, invalid, unreachable } from '../../system/errors.js';
import type { Values } from '../record.js';
import { type Sink, toDocument } from './sink.js';

export interface GithubOptions {
  api: string;
  /** `owner/name`. */
  repository: string;
  name: string;
  environment: string | undefined;
  /** `GITHUB_TOKEN`; never shown. */
  token: string | undefined;
  signal: AbortSignal;
}

interface PublicKey {
  key_id: string;
  key: string;
}

const stagedSuffix = '__NEXT';

/**
 * A secret of GitHub Actions, encrypted for the repository's public key (a sealed box of libsodium)
 * before it leaves this machine. GitHub gives no secret back: only that it was taken can be seen.
 */
export class GithubSink implements Sink {
  readonly id: string;
  readonly readable = false;
  readonly #options: GithubOptions;

  constructor(options: GithubOptions) {
    this.#options = options;
    const { repository, name, environment } = options;
    this.id = `github ${repository}${environment === undefined ? '' : ` (${environment})`} ${name}`;
  }

  async probe(): Promise<void> {
    await this.#publicKey();
  }

  async current(): Promise<undefined> {
    return undefined;
  }

  async staged(): Promise<undefined> {
    return undefined;
  }

  /** Under another name: it proves that the secret can be written, and no workflow reads it. */
  stage(values: Values): Promise<void> {
    return this.#put(this.#options.name + stagedSuffix, toDocument(values));
  }

  /** GitHub names its secrets, though it never shows them. */
  async hasStaged(): Promise<boolean> {
    const response = await this.#ask('GET', `/${this.#options.name}${stagedSuffix}`);
    if (response.status !== 404) await this.#require(response, 'look for');
    await response.body?.cancel();
    return response.ok;
  }

  async unstage(): Promise<void> {
    const response = await this.#ask('DELETE', `/${this.#options.name}${stagedSuffix}`);
    if (response.status !== 404) await this.#require(response, 'remove');
  }

  async promote(values: Values): Promise<void> {
    await this.#put(this.#options.name, toDocument(values));
    await this.unstage();
  }

  async #put(name: string, text: string): Promise<void> {
    const { key, key_id } = await this.#publicKey();
    const encrypted_value = await sealedBox(text, key);
    const response = await this.#ask('PUT', `/${name}`, { encrypted_value, key_id });
    await this.#require(response, 'write');
  }

  async #publicKey(): Promise<PublicKey> {
    const response = await this.#ask('GET', '/public-key');
    await this.#require(response, 'ask for the public key of');
    return (await response.json()) as PublicKey;
  }

  async #ask(method: string, path: string, body?: object): Promise<Response> {
    const { api, repository, environment, token, signal } = this.#options;
    if (token === undefined) {
      throw invalid('GITHUB_TOKEN_MISSING', `GITHUB_TOKEN is not set, which ${this.id} needs.`, {
        hint: 'Set it in the environment or .env: a token that may write the secrets of the repository.',
      });
    }
    const place =
      environment === undefined
        ? `${api}/repos/${repository}/actions/secrets`
        : `${api}/repos/${repository}/environments/${encodeURIComponent(environment)}/secrets`;
    try {
      return await fetch(`${place}${path}`, {
        method,
        signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${token}`,
          'x-github-api-version': '2022-11-28',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw unreachable('GITHUB_UNREACHABLE', `${api} does not answer for ${this.id}.`, {
        hint: 'Check the network, then run it again.',
        cause,
      });
    }
  }

  async #require(response: Response, what: string): Promise<void> {
    if (response.ok) return;
    await response.body?.cancel();
    throw failed(
      'GITHUB_REFUSED',
      `GitHub answers ${response.status} when asked to ${what} ${this.id}.`,
      {
        hint: 'Check GITHUB_TOKEN and its right to write secrets, and the name of the repository.',
      },
    );
  }
}

/** What only the holder of the private key can read; base64. */
async function sealedBox(text: string, publicKey: string): Promise<string> {
  const { default: sodium } = await import('libsodium-wrappers');
  await sodium.ready;
  const key = sodium.from_base64(publicKey, sodium.base64_variants.ORIGINAL);
  const sealed = sodium.crypto_box_seal(sodium.from_string(text), key);
  return sodium.to_base64(sealed, sodium.base64_variants.ORIGINAL);
}

import { setTimeout as delay } from 'node:timers/promises';
import {
  failed,
  interrupted,
  isOperatorError,
  throwIfAborted,
  unreachable,
} from '../../system/errors.js';

export interface NeonOptions {
  /** Base of the API, `https://console.neon.tech/api/v2`. */
  api: string;
  project: string;
  branch: string;
  /** `NEON_API_KEY`; never shown. */
  key: string;
  signal: AbortSignal;
}

export interface NeonBranch {
  id: string;
  name: string;
  parent_id?: string;
}

interface Operation {
  id: string;
  status: string;
}

/** How long operations of Neon may take, in seconds. */
const operationSeconds = 120;

/** The roles of one branch of a Neon project, by Neon's API. */
export class NeonRoles {
  readonly #options: NeonOptions;

  constructor(options: NeonOptions) {
    this.#options = options;
  }

  /** Branches made from this one: they keep the passwords they were made with. */
  async children(): Promise<NeonBranch[]> {
    const { branches } = await this.#ask<{ branches: NeonBranch[] }>('GET', '/branches');
    return branches.filter((one) => one.parent_id === this.#options.branch);
  }

  /** The role, if the branch has it. */
  async exists(role: string): Promise<boolean> {
    const { roles } = await this.#ask<{ roles: { name: string }[] }>(
      'GET',
      `${this.#branch}/roles`,
    );
    return roles.some(({ name }) => name === role);
  }

  /** Gives the role a new password at once: the old one is dead from here on. */
  async reset(role: string): Promise<string> {
    const answer = await this.#ask<{ role: { password?: string }; operations?: Operation[] }>(
      'POST',
      `${this.#branch}/roles/${encodeURIComponent(role)}/reset_password`,
    );
    for (const { id } of answer.operations ?? []) await this.#finished(id);
    return answer.role.password ?? (await this.reveal(role));
  }

  /** The password that the role has. */
  async reveal(role: string): Promise<string> {
    const path = `${this.#branch}/roles/${encodeURIComponent(role)}/reveal_password`;
    return (await this.#ask<{ password: string }>('GET', path)).password;
  }

  get #branch(): string {
    return `/branches/${encodeURIComponent(this.#options.branch)}`;
  }

  async #finished(id: string): Promise<void> {
    const { signal } = this.#options;
    const until = performance.now() + operationSeconds * 1000;
    for (let pause = 100; ; pause = Math.min(pause * 2, 3000)) {
      const path = `/operations/${encodeURIComponent(id)}`;
      const { operation } = await this.#ask<{ operation: Operation }>('GET', path);
      if (operation.status === 'finished' || operation.status === 'skipped') return;
      const over = ['failed', 'error', 'cancelled'].includes(operation.status);
      if (over || performance.now() > until) {
        throw failed('NEON_OPERATION_FAILED', `Neon's operation ${id} is ${operation.status}.`, {
          hint: 'See the operations of the project in Neon’s console, then resume the run.',
        });
      }
      await delay(pause, undefined, { signal }).catch(() => throwIfAborted(signal));
    }
  }

  async #ask<T>(method: 'GET' | 'POST', path: string): Promise<T> {
    const { api, project, key, signal } = this.#options;
    const address = `${api}/projects/${encodeURIComponent(project)}${path}`;
    let response: Response;
    try {
      response = await fetch(address, {
        method,
        headers: { authorization: `Bearer ${key}`, accept: 'application/json' },
        signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
      });
    } catch (cause) {
      if (signal.aborted) throw isOperatorError(signal.reason) ? signal.reason : interrupted();
      throw unreachable('NEON_UNREACHABLE', `Neon's API at ${api} does not answer.`, {
        hint: 'Check the network and health.neonApi, then resume the run.',
        cause,
      });
    }
    if (response.ok) return (await response.json()) as T;
    await response.body?.cancel();
    throw failed('NEON_REFUSED', `Neon's API answers ${response.status} to ${method} ${path}.`, {
      hint: 'Check NEON_API_KEY, health.neonProject and credentials.database.neonBranch.',
    });
  }
}

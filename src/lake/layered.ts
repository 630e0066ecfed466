import type { Readable } from 'node:stream';
import { compareKeys } from './key.js';
import {
  isLayer,
  type Key,
  type Lake,
  type LakeObject,
  type Layer,
  type LocalCopy,
  layers,
  type ObjectVersion,
  type PutCondition,
  type PutFileOptions,
} from './lake.js';
import type { LakeVersion, LakeVersions } from './lake-versions.js';

/** Where each layer lives, and what belongs to none (logs, leases). */
export type LayerStores = Record<Layer, Lake> & { system: Lake };

/** A lake whose layers live in different stores: the first part of a key says in which. */
export class LayeredLake implements Lake {
  readonly description: string;
  readonly versions?: LakeVersions;
  readonly #stores: LayerStores;

  constructor(description: string, stores: LayerStores) {
    this.description = description;
    this.#stores = stores;
    const keepsVersions = Object.values(stores).some(({ versions }) => versions !== undefined);
    if (keepsVersions) this.versions = this.#makeVersions();
  }

  list(prefix: Key): AsyncIterable<LakeObject> {
    return mergeByKey(this.#storesBelow(prefix).map((store) => store.list(prefix)));
  }

  head(key: Key): Promise<LakeObject | undefined> {
    return this.#store(key).head(key);
  }

  read(key: Key): Promise<Buffer> {
    return this.#store(key).read(key);
  }

  readVersion(key: Key): Promise<ObjectVersion | undefined> {
    return this.#store(key).readVersion(key);
  }

  openRead(key: Key): Promise<Readable> {
    return this.#store(key).openRead(key);
  }

  put(key: Key, body: string | Uint8Array, condition?: PutCondition): Promise<LakeObject> {
    return this.#store(key).put(key, body, condition);
  }

  putFile(key: Key, path: string, options?: PutFileOptions): Promise<LakeObject> {
    return this.#store(key).putFile(key, path, options);
  }

  fetch(key: Key, scratch: string): Promise<LocalCopy> {
    return this.#store(key).fetch(key, scratch);
  }

  async remove(keys: readonly Key[]): Promise<void> {
    const byStore = new Map<Lake, Key[]>();
    for (const key of keys) {
      const store = this.#store(key);
      const own = byStore.get(store) ?? [];
      byStore.set(store, own);
      own.push(key);
    }
    for (const [store, own] of byStore) await store.remove(own);
  }

  removeIfMatch(key: Key, etag: string): Promise<boolean> {
    return this.#store(key).removeIfMatch(key, etag);
  }

  async callOffUploads(prefix: Key): Promise<void> {
    for (const store of this.#storesBelow(prefix)) await store.callOffUploads?.(prefix);
  }

  async *unfinishedUploads(prefix: Key): AsyncGenerator<{ key: Key; begunAt: Date }> {
    for (const store of this.#storesBelow(prefix)) {
      if (store.unfinishedUploads !== undefined) yield* store.unfinishedUploads(prefix);
    }
  }

  #store(key: Key): Lake {
    const [top = ''] = key.split('/');
    return isLayer(top) ? this.#stores[top] : this.#stores.system;
  }

  /** The stores that may hold keys with this prefix. */
  #storesBelow(prefix: Key): Lake[] {
    const slash = prefix.indexOf('/');
    if (slash !== -1) return [this.#store(prefix)];
    const own = layers.filter((layer) => `${layer}/`.startsWith(prefix));
    return [...new Set([...own.map((layer) => this.#stores[layer]), this.#stores.system])];
  }

  #makeVersions(): LakeVersions {
    const of = (key: Key): LakeVersions => this.#store(key).versions ?? withoutVersions;
    return {
      list: (prefix) =>
        mergeByKey(
          this.#storesBelow(prefix).map((store) =>
            (store.versions ?? withoutVersions).list(prefix),
          ),
        ),
      read: (key, versionId) => of(key).read(key, versionId),
      restore: (version) => of(version.key).restore(version),
      retention: (key, versionId) => of(key).retention(key, versionId),
      remove: async (versions) => {
        const byStore = new Map<Lake, Pick<LakeVersion, 'key' | 'versionId'>[]>();
        for (const version of versions) {
          const store = this.#store(version.key);
          const own = byStore.get(store) ?? [];
          byStore.set(store, own);
          own.push(version);
        }
        for (const [store, own] of byStore) await (store.versions ?? withoutVersions).remove(own);
      },
    };
  }
}

/** Of a store that keeps none: nobody can have found one there. */
const withoutVersions: LakeVersions = {
  async *list(): AsyncGenerator<LakeVersion> {
    yield* [];
  },
  read: (key) => Promise.reject(new Error(`${key} has no versions.`)),
  restore: ({ key }) => Promise.reject(new Error(`${key} has no versions.`)),
  retention: (key) => Promise.reject(new Error(`${key} has no versions.`)),
  remove: ([version]) => Promise.reject(new Error(`${version?.key} has no versions.`)),
};

/** Merges lists that are sorted by key; holds one entry of each. */
async function* mergeByKey<T extends { key: Key }>(
  lists: readonly AsyncIterable<T>[],
): AsyncGenerator<T> {
  const sources = lists.map((list) => list[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      let smallest = -1;
      for (const [index, head] of heads.entries()) {
        const best = heads[smallest];
        if (head.done === true) continue;
        if (best === undefined || best.done === true) smallest = index;
        else if (compareKeys(head.value.key, best.value.key) < 0) smallest = index;
      }
      const head = heads[smallest];
      const source = sources[smallest];
      if (head === undefined || head.done === true || source === undefined) return;
      yield head.value;
      heads[smallest] = await source.next();
    }
  } finally {
    await Promise.all(sources.map((source) => source.return?.()));
  }
}

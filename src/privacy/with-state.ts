import type { Key, Lake } from '../lake/lake.js';
import { openLocalLake } from '../lake/local.js';

const statePrefix = 'state/';

/** What the state directory keeps of the data itself: rejects of imports, undelivered logs. */
const parts: readonly Key[] = ['rejects/', 'logs/'];

/** The lake, with the state directory's own files under `state/`. */
export function withState(lake: Lake, home: string): Lake {
  const state = openLocalLake(home);
  const isState = (key: Key): boolean => key.startsWith(statePrefix);
  const own = (key: Key): Key => key.slice(statePrefix.length);
  const place = (key: Key): [Lake, Key] => (isState(key) ? [state, own(key)] : [lake, key]);
  async function* list(prefix: Key) {
    if (!isState(prefix)) yield* lake.list(prefix);
    if (prefix !== '' && !isState(prefix)) return;
    for (const part of parts) {
      for await (const object of state.list(part)) {
        const key = `${statePrefix}${object.key}`;
        if (key.startsWith(prefix)) yield { ...object, key };
      }
    }
  }
  const on = <T>(key: Key, work: (store: Lake, name: Key) => T): T => work(...place(key));
  return {
    description: lake.description,
    ...(lake.versions === undefined ? {} : { versions: lake.versions }),
    list,
    head: (key) => on(key, (store, name) => store.head(name)),
    read: (key) => on(key, (store, name) => store.read(name)),
    readVersion: (key) => on(key, (store, name) => store.readVersion(name)),
    openRead: (key) => on(key, (store, name) => store.openRead(name)),
    put: (key, body, condition) => on(key, (store, name) => store.put(name, body, condition)),
    putFile: (key, path, options) => on(key, (store, name) => store.putFile(name, path, options)),
    fetch: (key, scratch) => on(key, (store, name) => store.fetch(name, scratch)),
    remove: async (keys) => {
      await lake.remove(keys.filter((key) => !isState(key)));
      await state.remove(keys.filter(isState).map(own));
    },
    removeIfMatch: (key, etag) => on(key, (store, name) => store.removeIfMatch(name, etag)),
    ...(lake.callOffUploads === undefined
      ? {}
      : { callOffUploads: (prefix: Key) => lake.callOffUploads?.(prefix) ?? Promise.resolve() }),
    ...(lake.unfinishedUploads === undefined
      ? {}
      : { unfinishedUploads: (prefix: Key) => lake.unfinishedUploads?.(prefix) ?? nothing() }),
  };
}

async function* nothing(): AsyncGenerator<never> {
  yield* [];
}

import { mask } from '../system/redact.js';
import type { LoadedConfig } from './load.js';
import type { Secrets } from './secrets.js';

export interface ConfigValue {
  /** Dotted name of a setting, or the name of a variable for a secret. */
  key: string;
  /** Masked for a secret; null when it is not set. */
  value: unknown;
  /** `default`, `file:line`, `profile prod (file:line)`, `environment NAME`, `flag --home`, a `.env`, or `unset`. */
  source: string;
}

/** Everything that is in force, with its origin. Never holds a secret. */
export function configValues(
  loaded: LoadedConfig,
  secrets: Secrets,
  home: { path: string; source: string },
): ConfigValue[] {
  return [
    { key: 'home', value: home.path, source: home.source },
    { key: 'profile', value: loaded.profile, source: loaded.profileSource },
    ...loaded.origins,
    ...secrets.origins.map(({ key, source }) => ({
      key,
      value: source === undefined ? null : mask,
      source: source ?? 'unset',
    })),
  ];
}

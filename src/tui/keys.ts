import type { Binding } from './keys/binding.js';
import { everywhere } from './keys/everywhere.js';
import { screens } from './keys/screens.js';
import { typing } from './keys/typing.js';

export type { Action, Binding, Context } from './keys/binding.js';

/**
 * Every key of the program: what handles it, what the footer and `?` say of it, and the page in the
 * documentation are made from this list. Where several contexts are in force, earlier ones win.
 */
export const bindings: readonly Binding[] = [...typing, ...screens, ...everywhere];

import type { CredentialKind } from './record.js';

/** One thing that a credential has to be able to do, or must not be able to do. */
export interface Ability {
  kind: CredentialKind;
  id: string;
  what: string;
  expected: 'can' | 'cannot';
  /** `unknown` where nobody could find out. */
  found: 'can' | 'cannot' | 'unknown';
  /** Why it is not known, or what was seen. */
  detail: string;
}

export const isWrong = ({ expected, found }: Ability): boolean =>
  found !== 'unknown' && found !== expected;

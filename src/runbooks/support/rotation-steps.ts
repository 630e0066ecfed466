import type { CredentialKind } from '../../credentials/record.js';
import type { ActStep, CheckStep } from '../engine/definition.js';
import { checkGap } from './database-logins.js';
import {
  checkSinks,
  cutOver,
  finish,
  undoCutOver,
  undoStore,
  verifyCutBack,
  verifyCutOver,
  verifyFinished,
  verifyStored,
  verifyUnstored,
} from './rotation-sinks.js';

/** The steps of a rotation that do the same for every kind of credential; their texts differ. */

type Texts = { why: string; manual: () => string };

export const gapStep = (why: string): CheckStep<unknown> => ({
  kind: 'check',
  id: 'gap',
  title: 'Is the last rotation long enough ago?',
  why,
  manual: () => 'reviewops credentials status',
  must: true,
  run: checkGap,
});

export const sinksStep = (credential: CredentialKind, texts: Texts): CheckStep<unknown> => ({
  kind: 'check',
  id: 'sinks',
  title: 'Can every sink be written?',
  ...texts,
  must: true,
  run: (context) => checkSinks(context, credential),
});

/** `run` stages the new values and takes everything back when a sink does not take them. */
export const storeStep = (
  credential: CredentialKind,
  step: Texts & Pick<ActStep<unknown>, 'title' | 'run'>,
): ActStep<unknown> => ({
  kind: 'act',
  id: 'store',
  ...step,
  verify: (context) => verifyStored(context, credential),
  undo: (context) => undoStore(context, credential),
  undone: (context) => verifyUnstored(context, credential),
});

export const cutOverStep = (
  credential: CredentialKind,
  texts: Texts & { title: string },
): ActStep<unknown> => ({
  kind: 'act',
  id: 'cut-over',
  ...texts,
  run: (context) => cutOver(context, credential),
  verify: (context) => verifyCutOver(context, credential),
  undo: (context) => undoCutOver(context, credential),
  undone: (context) => verifyCutBack(context, credential),
});

export const finishStep = (credential: CredentialKind): ActStep<unknown> => ({
  kind: 'act',
  id: 'finish',
  title: 'Forget the secrets of the rotation',
  why: 'What was kept for taking it back is removed; that it happened stays known.',
  manual: () => 'reviewops credentials status',
  run: (context) => finish(context, credential),
  verify: (context) => verifyFinished(context, credential),
});

import type { PlannedObject, PlannedUpload } from './erasure-plan.js';
import type { PrivacyJournal } from './journal.js';
import type { LakeWork } from './lake-work.js';
import type { Needles } from './needles.js';

/** The part of an erasure that works on the lake. */
export interface LakeErasure extends LakeWork {
  home: string;
  runId: string;
  journal: PrivacyJournal;
  needles: Needles;
  planned: readonly PlannedObject[];
  uploads: readonly PlannedUpload[];
  now: () => Date;
  /** Throws when the erasure may not go on: a legal hold that came meanwhile. */
  mayGoOn: () => Promise<void>;
}

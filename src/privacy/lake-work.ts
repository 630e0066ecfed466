import type { Config } from '../config/schema.js';
import type { Lake } from '../lake/lake.js';
import type { JobContext } from '../system/progress.js';
import type { PrivacyModel } from './model.js';

/** What a search of the lake, or a change in it, works with. */
export interface LakeWork {
  lake: Lake;
  config: Config;
  model: PrivacyModel;
  pseudonymKey: Uint8Array;
  scratch: string;
  job: Pick<JobContext, 'signal' | 'report'>;
}

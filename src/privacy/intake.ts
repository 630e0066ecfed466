import type { Lake } from '../lake/lake.js';
import type { Weekends } from './deadline.js';
import { PrivacyJournal, readEntries } from './journal.js';
import type { PrivacyKeys } from './keys.js';
import { type Intake, type RequestRecord, recordRequest } from './requests.js';

export interface IntakeWork {
  lake: Lake;
  keys: PrivacyKeys;
  /** The state directory, which holds the journal. */
  home: string;
  now: () => Date;
  weekends: Weekends;
}

/**
 * Records a request and notes it in the journal. Where the power went in between, the same request
 * again adds the note.
 *
 * @throws what `recordRequest` throws
 */
export async function takeIn(
  { lake, keys, home, now, weekends }: IntakeWork,
  intake: Intake,
): Promise<{ record: RequestRecord; created: boolean }> {
  const taken = await recordRequest(lake, keys, intake, { now, weekends });
  const { requestId } = intake;
  const type = 'request.recorded';
  const noted = (await readEntries(home)).some(
    ({ event }) => event.type === type && event.requestIds?.includes(requestId),
  );
  if (!noted) await new PrivacyJournal(home, now).append({ type, requestIds: [requestId] });
  return taken;
}

/** What an audit of the database found. `info` is worth knowing and no reason to act today. */
export interface AuditFinding {
  check: string;
  state: 'info' | 'unknown' | 'warning' | 'critical';
  /** What it is about: a table, an index, a role. */
  object: string;
  problem: string;
  /** The statement or the step that cures it. */
  fix: string;
}

/** Whether somebody has to act. */
export const isAlarm = ({ state }: AuditFinding): boolean =>
  state === 'warning' || state === 'critical';

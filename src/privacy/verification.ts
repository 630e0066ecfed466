/** Rows that still hold an identifier of the person. */
export interface Trace {
  /** `amazon.review`, or a key of the lake, with its version where it is an old one. */
  place: string;
  rows: number;
}

export interface Verification {
  /** A whole value is an identifier: the erasure is not done. */
  found: Trace[];
  /** An identifier stands within somebody else's text: a case for a person. */
  mentioned: Trace[];
  /** What could not be read. */
  unread: { place: string; why: string }[];
  /** What texts could not be searched for, for people. */
  limits: string[];
  tablesRead: number;
  filesRead: number;
}

/** Of nothing that was read yet. */
export const emptyVerification = (limits: string[] = []): Verification => ({
  found: [],
  mentioned: [],
  unread: [],
  limits,
  tablesRead: 0,
  filesRead: 0,
});

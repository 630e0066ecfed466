/** Which database a command talks to, and how it got there. */
export interface DatabaseTarget {
  /** Holds the password. Never logged, never shown. */
  url: string;
  kind: 'embedded' | 'external';
  /** `embedded` on loopback, `direct` or `pooler` for what is known of a remote endpoint. */
  endpoint: 'loopback' | 'direct' | 'pooler';
  /** `host:port/database` without user or password, for messages. */
  description: string;
  /** Sessions refuse writes, whatever whoever opens them asks for. */
  readOnly?: boolean;
}

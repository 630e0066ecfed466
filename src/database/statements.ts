/**
 * Splits SQL at the semicolons that end its statements: not those in strings, quoted names,
 * comments and dollar-quoted bodies. Comments before a statement are left out.
 */
export function splitStatements(sql: string): string[] {
  const token =
    /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]*)\$[\s\S]*?\$\1\$|;|[^;'"$/-]+|[\s\S]/g;
  const statements: string[] = [];
  let current = '';
  for (const [part] of sql.matchAll(token)) {
    if (part === ';') {
      statements.push(current.trim());
      current = '';
    } else if (!part.startsWith('--') && !part.startsWith('/*')) current += part;
  }
  statements.push(current.trim());
  return statements.filter((statement) => statement !== '');
}

export interface RelationOfStatement {
  schema: string;
  name: string;
  /** Whether the statement makes the relation, rather than adding to it. */
  creates: boolean;
  drops: boolean;
}

const name = String.raw`(?:"((?:[^"]|"")+)"|([A-Za-z_]\w*))`;
const qualified = String.raw`${name}\s*\.\s*${name}`;
const creating = new RegExp(
  String.raw`^CREATE\s+(?:TABLE|(?:MATERIALIZED\s+)?VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?${qualified}`,
  'i',
);
const dropping = new RegExp(
  String.raw`^DROP\s+(?:TABLE|(?:MATERIALIZED\s+)?VIEW)\s+(?:IF\s+EXISTS\s+)?${qualified}`,
  'i',
);
const adding = new RegExp(
  String.raw`^(?:ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?|(?:CREATE\s+(?:UNIQUE\s+)?INDEX|CREATE\s+TRIGGER|GRANT|COMMENT)\b[\s\S]*?\bON\s+(?:ONLY\s+|TABLE\s+|COLUMN\s+)?|INSERT\s+INTO\s+)${qualified}`,
  'i',
);

/** The relation that a statement of a migration is about; undefined for any other statement. */
export function relationOf(statement: string): RelationOfStatement | undefined {
  const [create, drop, add] = [creating, dropping, adding].map((pattern) =>
    pattern.exec(statement),
  );
  const match = create ?? drop ?? add;
  if (match === null || match === undefined) return undefined;
  const part = (quoted: string | undefined, plain: string | undefined): string =>
    quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? '';
  return {
    schema: part(match[1], match[2]),
    name: part(match[3], match[4]),
    creates: create !== null && create !== undefined,
    drops: !create && drop !== null && drop !== undefined,
  };
}

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

/** A name as the catalog has it. */
const plain = (quoted: string | undefined, bare: string | undefined): string =>
  quoted?.replaceAll('""', '"') ?? bare?.toLowerCase() ?? '';

/** The relation that a statement of a migration is about; undefined for any other statement. */
export function relationOf(statement: string): RelationOfStatement | undefined {
  const [create, drop, add] = [creating, dropping, adding].map((pattern) =>
    pattern.exec(statement),
  );
  const match = create ?? drop ?? add;
  if (match === null || match === undefined) return undefined;
  return {
    schema: plain(match[1], match[2]),
    name: plain(match[3], match[4]),
    creates: create !== null && create !== undefined,
    drops: !create && drop !== null && drop !== undefined,
  };
}

export interface ForeignKeyOfStatement {
  schema: string;
  name: string;
  columns: string[];
  target: { schema: string; name: string };
  /** What follows the table it points at: its columns, ON DELETE … */
  rest: string;
}

const referring = new RegExp(String.raw`\bREFERENCES\s+${qualified}\s*([\s\S]*)$`, 'i');
const tableKey = /^(?:CONSTRAINT\s+\S+\s+)?FOREIGN\s+KEY\s*\(([^)]*)\)/i;

/** The foreign keys that a CREATE TABLE makes, of a column or of the table. */
export function foreignKeysOf(statement: string): ForeignKeyOfStatement[] {
  const relation = relationOf(statement);
  const body = /^CREATE\s+TABLE\b[^(]*\(([\s\S]*)\)[^)]*$/i.exec(statement)?.[1];
  if (relation?.creates !== true || body === undefined) return [];
  return topLevelParts(body).flatMap((part) => {
    const match = referring.exec(part);
    if (match === null) return [];
    const [columns = ''] = tableKey.exec(part)?.slice(1) ?? [/^\S+/.exec(part)?.[0]];
    return [
      {
        schema: relation.schema,
        name: relation.name,
        columns: columns.split(',').map((column) => {
          const [, quoted, bare] = new RegExp(`^${name}$`).exec(column.trim()) ?? [];
          return plain(quoted, bare);
        }),
        target: { schema: plain(match[1], match[2]), name: plain(match[3], match[4]) },
        rest: (match[5] ?? '').trim(),
      },
    ];
  });
}

/** The parts of a list between its commas, those inside parentheses left alone. */
function topLevelParts(list: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of list) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

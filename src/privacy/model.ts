import type { DataClass, Treatment } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import { type CatalogColumn, describeTables, listRelations } from '../database/catalog.js';
import type { DatabaseClient } from '../database/client.js';
import { classOf, ruleOf, type TableRule } from './classification.js';

/**
 * What a column's values stand for, so that columns of different tables can be compared:
 * `customer`, `email`, `phone`, or the column that others point at, such as
 * `amazon.review.review_id`.
 */
export type Domain = string;

export interface ModelColumn {
  name: string;
  typeName: string;
  /** Whether it is compared as it is; other types are compared as text. */
  isText: boolean;
  class: DataClass | undefined;
  domain: Domain | undefined;
}

/** How the rows of a person are recognised: the column holds one of the domain's values. */
export interface Owning {
  column: string;
  domain: Domain;
  /** The link, for people. */
  via: string;
}

export interface ModelTable {
  /** `schema.name`. */
  id: string;
  schema: string;
  name: string;
  kind: 'table' | 'partitioned' | 'view' | 'materialized' | 'foreign';
  columns: ModelColumn[];
  primaryKey: string[];
  rule: TableRule;
  /** Undefined for a table without rows of a person. */
  rows: Treatment | undefined;
  /** Empty for a table without rows of a person. */
  owning: Owning[];
  /** Columns that rows of other tables point at, or that name the person. */
  provides: { column: string; domain: Domain }[];
  /** Tables that its rows point at, by foreign keys that the database enforces. */
  parents: { table: string; column: string }[];
}

/** Where rows of people are, how they hang together, and what is unclear about that. */
export interface PrivacyModel {
  tables: ModelTable[];
  /** Columns without a class, tables of people without a treatment, links that cannot be followed. */
  unclassified: string[];
}

interface Link {
  child: string;
  childColumn: string;
  parent: string;
  parentColumn: string;
  via: string;
  enforced: boolean;
}

/** Addresses of people who were found: nobody is found by them, but texts that hold them are. */
export const mentionDomain: Domain = 'mention';

const columnId = (table: string, column: string): string => `${table}.${column}`;
const textTypes = ['text', 'varchar'];

/** Reads the catalog and joins it with the configuration. */
export async function readModel(client: DatabaseClient, config: Config): Promise<PrivacyModel> {
  const tables: ModelTable[] = [];
  for (const schema of await userSchemas(client)) {
    const relations = await listRelations(client, schema);
    const names = relations
      .filter(
        ({ isPartition, ofExtension, kind }) => !isPartition && !ofExtension && kind !== 'view',
      )
      .map(({ name }) => name);
    for (const table of await describeTables(client, schema, names)) {
      const rule = ruleOf(config, schema, table.name);
      tables.push({
        id: `${schema}.${table.name}`,
        schema,
        name: table.name,
        kind: table.kind,
        columns: table.columns.map((column) => describe(column, rule)),
        primaryKey: table.primaryKey,
        rule,
        rows: undefined,
        owning: [],
        provides: [],
        parents: [],
      });
    }
  }
  return connect(tables, await readLinks(client, config, tables), config);
}

const describe = ({ name, typeName, type }: CatalogColumn, rule: TableRule): ModelColumn => ({
  name,
  typeName,
  isText: type.builtIn && !type.isArray && textTypes.includes(type.name),
  class: classOf(rule, name),
  domain: undefined,
});

async function userSchemas(client: DatabaseClient): Promise<string[]> {
  const rows = await client.query<{ name: string }>(
    `SELECT nspname::text AS name FROM pg_namespace
     WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function readLinks(
  client: DatabaseClient,
  config: Config,
  tables: readonly ModelTable[],
): Promise<{ links: Link[]; composite: string[] }> {
  const keys = await client.query<{
    name: string;
    child: string;
    parent: string;
    child_columns: string[];
    parent_columns: string[];
  }>(
    `SELECT k.conname::text AS name, cn.nspname || '.' || c.relname AS child,
            pn.nspname || '.' || p.relname AS parent,
            ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS x (number, place)
                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.number ORDER BY place) AS child_columns,
            ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS x (number, place)
                  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.number ORDER BY place) AS parent_columns
     FROM pg_constraint k
     JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
     JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 2, 1`,
  );
  const single = keys.filter(({ child_columns }) => child_columns.length === 1);
  const links: Link[] = single.map(({ name, child, parent, child_columns, parent_columns }) => ({
    child,
    childColumn: child_columns[0] ?? '',
    parent,
    parentColumn: parent_columns[0] ?? '',
    via: `foreign key ${name}`,
    enforced: true,
  }));
  const has = (table: string, column: string) =>
    tables.some(({ id, columns }) => id === table && columns.some(({ name }) => name === column));
  for (const { from, to } of [...config.privacy.links, ...servingLink(config)]) {
    const [child, parent] = [resolve(config, from, has), resolve(config, to, has)];
    if (child === undefined || parent === undefined) continue;
    links.push({
      child: child.table,
      childColumn: child.column,
      parent: parent.table,
      parentColumn: parent.column,
      via: `link ${from} to ${to}`,
      enforced: false,
    });
  }
  const composite = keys
    .filter(({ child_columns }) => child_columns.length > 1)
    .map(
      ({ name, child, parent }) => `${child} → ${parent} (foreign key ${name} of several columns)`,
    );
  return { links, composite };
}

/** The serving table holds customer ids and has no foreign key. */
const servingLink = ({ serving, privacy }: Config): { from: string; to: string }[] => [
  { from: `${serving.schema}.${serving.table}.customer_id`, to: privacy.subject.customer },
];

/** `table.column` of the source or serving schema, or `schema.table.column`; undefined if absent. */
function resolve(
  { source, serving }: Config,
  text: string,
  has: (table: string, column: string) => boolean,
): { table: string; column: string } | undefined {
  const parts = text.split('.');
  const [column = '', table = '', schema] = [...parts].reverse();
  const schemas = schema === undefined ? [source.schema, serving.schema] : [schema];
  const found = schemas.find((name) => has(`${name}.${table}`, column));
  return found === undefined ? undefined : { table: `${found}.${table}`, column };
}

function connect(
  tables: ModelTable[],
  { links, composite }: { links: Link[]; composite: string[] },
  config: Config,
): PrivacyModel {
  const unclassified: string[] = [];
  const byId = new Map(tables.map((table) => [table.id, table]));
  const has = (table: string, column: string) =>
    byId.get(table)?.columns.some(({ name }) => name === column) === true;
  const { subject } = config.privacy;
  const subjects = (['customer', 'buyer', 'email', 'phone'] as const).flatMap((kind) => {
    const text = subject[kind];
    if (text === null) return [];
    const found = resolve(config, text, has);
    if (found === undefined)
      unclassified.push(`privacy.subject.${kind} names ${text}, which does not exist`);
    return found === undefined ? [] : [{ kind, ...found }];
  });
  const domains = unite(links, subjects);
  for (const table of tables) {
    for (const column of table.columns)
      column.domain = domains.get(columnId(table.id, column.name));
  }
  for (const { kind, table, column } of subjects) {
    own(byId.get(table), {
      column,
      domain: domains.get(columnId(table, column)) ?? kind,
      via: kind,
    });
  }
  for (let grown = true; grown; ) {
    grown = false;
    for (const { child, childColumn, parent, parentColumn, via } of links) {
      const domain = domains.get(columnId(parent, parentColumn));
      const target = byId.get(child);
      if (byId.get(parent)?.owning.length === 0 || domain === undefined) continue;
      if (target?.owning.some(({ column }) => column === childColumn) === false) {
        own(target, { column: childColumn, domain, via });
        grown = true;
      }
    }
  }
  for (const { child, childColumn, parent, parentColumn, enforced } of links) {
    const domain = domains.get(columnId(parent, parentColumn));
    const table = byId.get(parent);
    if (table !== undefined && table.owning.length > 0 && domain !== undefined) {
      provide(table, parentColumn, domain);
    }
    if (enforced) byId.get(child)?.parents.push({ table: parent, column: childColumn });
  }
  for (const { kind, table, column } of subjects) {
    if (kind !== 'customer' && kind !== 'buyer') continue;
    const target = byId.get(table);
    if (target !== undefined) provide(target, column, domains.get(columnId(table, column)) ?? kind);
  }
  for (const { kind, table, column } of subjects) {
    const target = byId.get(table);
    if (target !== undefined && (kind === 'email' || kind === 'phone')) {
      provide(target, column, mentionDomain);
    }
  }
  for (const table of tables) {
    if (table.owning.length > 0) {
      table.rows = table.rule.rows;
      if (table.rows === undefined)
        unclassified.push(`${table.id}: what becomes of a person's rows`);
      if (table.kind === 'foreign' || table.kind === 'materialized') {
        if (table.kind === 'foreign') unclassified.push(`${table.id}: a foreign table`);
      }
    }
    for (const { name, class: dataClass } of table.columns) {
      if (dataClass === undefined) unclassified.push(columnId(table.id, name));
    }
  }
  const people = new Set(tables.filter(({ owning }) => owning.length > 0).map(({ id }) => id));
  unclassified.push(
    ...composite.filter((text) => people.has(text.split(' → ')[1]?.split(' ')[0] ?? '')),
  );
  return { tables, unclassified };
}

const own = (table: ModelTable | undefined, owning: Owning): void => {
  table?.owning.push(owning);
};

const provide = (table: ModelTable, column: string, domain: Domain): void => {
  if (!table.provides.some((one) => one.column === column)) table.provides.push({ column, domain });
};

/** The domain of every column that a link touches or that names a person. */
function unite(
  links: readonly Link[],
  subjects: readonly { kind: string; table: string; column: string }[],
): Map<string, Domain> {
  const leader = new Map<string, string>();
  const find = (id: string): string => {
    const up = leader.get(id);
    return up === undefined || up === id ? id : find(up);
  };
  const columns = new Set<string>();
  for (const { child, childColumn, parent, parentColumn } of links) {
    const [below, above] = [columnId(child, childColumn), columnId(parent, parentColumn)];
    columns.add(below).add(above);
    leader.set(find(below), find(above));
  }
  const names = new Map<string, Domain>();
  // Customer before buyer: where one points at the other, they are the same.
  for (const { kind, table, column } of subjects) {
    const id = columnId(table, column);
    columns.add(id);
    if (!names.has(find(id))) names.set(find(id), kind);
  }
  return new Map([...columns].map((id) => [id, names.get(find(id)) ?? find(id)]));
}

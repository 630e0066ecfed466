import { identifierKinds } from '../config/privacy-schema.js';
import type { Config } from '../config/schema.js';
import type { Key } from '../lake/lake.js';
import { logsPrefix } from '../lake/layout.js';
import type { Domain, PrivacyModel } from './model.js';

/** What the fields of a text file hold, by name. */
export interface TextShape {
  /** All fields are texts that may name anybody: logs, rejects. */
  anyField: boolean;
  domains: ReadonlyMap<string, Domain>;
  /** Whether a field has a class. */
  knows: (field: string) => boolean;
  /** Whether a field describes a person, whatever table it is of. */
  describes: (field: string) => boolean;
}

/**
 * What the configuration says of a file; else fields are known by the names of the source's
 * columns. Logs and rejects hold whatever was in the way.
 */
export function textShape(key: Key, model: PrivacyModel, config: Config): TextShape {
  const given = config.privacy.files.find(({ match }) => globPattern(match).test(key));
  const domains = new Map<string, Domain>();
  const known = new Set<string>();
  const neutral = new Set<string>();
  for (const { columns, owning } of model.tables) {
    for (const { name, class: dataClass } of columns) {
      if (dataClass !== undefined) known.add(name);
      if (dataClass === 'none' || dataClass === 'free-text') neutral.add(name);
    }
    for (const { column, domain } of owning) domains.set(column, domain);
  }
  for (const [field, holds] of Object.entries(given?.identifiers ?? {})) {
    known.add(field);
    domains.set(field, domainNamed(holds, model, config));
  }
  const classes = given?.columns ?? {};
  const anyField = key.startsWith(logsPrefix) || key.startsWith('state/');
  return {
    anyField,
    domains,
    knows: (field) =>
      anyField || known.has(field) || (classes[field] ?? classes['*']) !== undefined,
    describes: (field) => {
      const own = classes[field] ?? classes['*'];
      if (own !== undefined) return own === 'personal' || own === 'identifier';
      return known.has(field) && !neutral.has(field);
    },
  };
}

function domainNamed(holds: string, { tables }: PrivacyModel, { source }: Config): Domain {
  const kind = identifierKinds.find((name) => name === holds);
  const owner = tables.flatMap(({ owning }) => owning).find(({ via }) => via === kind);
  if (kind !== undefined) return owner?.domain ?? kind;
  const [table = '', column = ''] = holds.split('.');
  const found = tables
    .find(({ id }) => id === `${source.schema}.${table}`)
    ?.columns.find(({ name }) => name === column);
  return found?.domain ?? holds;
}

/** `*` within a part of the key, `**` across parts. */
export function globPattern(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/?|\*)/).map((part) => {
    if (part.startsWith('**')) return '.*';
    return part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}

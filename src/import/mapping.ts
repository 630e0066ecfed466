import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { errorCode, errorMessage, invalid } from '../system/errors.js';
import { describeFileError } from '../system/files.js';

/**
 * A mapping file says how the records of one layout become rows of our tables. Expressions are in
 * the engine's SQL (docs/import.md describes the format with an example).
 */

const name = z.string().regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and underscores');
const expression = z.union([z.string().min(1), z.number(), z.boolean()]).transform(String);

const table = z.strictObject({
  table: name,
  /** Many records give the same row (a product); rows are merged by the primary key. */
  shared: z.boolean().default(false),
  /** A value that is a list: one row for each of its elements, which expressions call `item`. */
  each: name.optional(),
  /** Only records for which this holds give a row. */
  where: expression.optional(),
  columns: z.record(name, expression),
});

export const mappingSchema = z
  .strictObject({
    format: z.string().regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens'),
    title: z.string().min(1),
    container: z.discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('csv'),
        delimiter: z
          .string()
          .regex(/^[\t -!#-~]$/, 'one ASCII character that is no quote')
          .default(','),
      }),
      z.strictObject({ kind: z.literal('tsv') }),
      z.strictObject({ kind: z.literal('jsonl') }),
    ]),
    detect: z.strictObject({
      required: z.array(z.string().min(1)).min(1),
      absent: z.array(z.string().min(1)).default([]),
    }),
    /** Further columns that expressions read; NULL where a source lacks them. */
    columns: z.array(z.string().min(1)).default([]),
    values: z.record(name, expression),
    rejects: z
      .array(
        z.strictObject({
          rule: name,
          when: expression,
          reason: z.string().min(1),
          value: expression.optional(),
        }),
      )
      .default([]),
    record: z.strictObject({ table: name, key: name }),
    tables: z.array(table).min(1),
  })
  .superRefine((mapping, context) => {
    const known = Object.keys(mapping.values);
    for (const reserved of ['source', 'line', 'file', 'ord', 'item', 'rule', 'reason']) {
      if (known.includes(reserved)) {
        context.addIssue({
          code: 'custom',
          path: ['values', reserved],
          message: `"${reserved}" has a meaning of its own: choose another name`,
        });
      }
    }
    const value = (path: PropertyKey[], wanted: string) => {
      if (known.includes(wanted)) return;
      const message = `"${wanted}" is not among the values (${known.join(', ')})`;
      context.addIssue({ code: 'custom', path, message });
    };
    value(['record', 'key'], mapping.record.key);
    mapping.tables.forEach((entry, index) => {
      if (entry.each !== undefined) value(['tables', index, 'each'], entry.each);
    });
    const own = mapping.tables.find((entry) => entry.table === mapping.record.table);
    if (own === undefined || own.shared || own.each !== undefined || own.where !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['record', 'table'],
        message: `tables must list "${mapping.record.table}" with one row a record (no shared, each or where)`,
      });
    }
    const names = mapping.tables.map((entry) => entry.table);
    names.forEach((entry, index) => {
      if (names.indexOf(entry) === index) return;
      const message = `"${entry}" is listed twice`;
      context.addIssue({ code: 'custom', path: ['tables', index, 'table'], message });
    });
  });

export type Mapping = z.infer<typeof mappingSchema>;

/** The columns a mapping reads, in a fixed order. */
export const mappingColumns = (mapping: Mapping): string[] => [
  ...new Set([...mapping.detect.required, ...mapping.columns]),
];

/** Reads one mapping file. Errors: `MAPPING_NOT_FOUND`, `MAPPING_INVALID` with place and reason. */
export async function readMapping(path: string): Promise<Mapping> {
  const { parseDocument } = await import('yaml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw describeFileError(error, path);
    throw invalid('MAPPING_NOT_FOUND', `There is no mapping file ${path}.`, {
      hint: 'Check the path; docs/import.md describes mapping files.',
      cause: error,
    });
  }
  const document = parseDocument(text);
  const [syntax] = document.errors;
  if (syntax !== undefined) throw broken(path, [errorMessage(syntax)]);
  const parsed = mappingSchema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  throw broken(
    path,
    parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`),
  );
}

const broken = (path: string, problems: string[]) =>
  invalid(
    'MAPPING_INVALID',
    `The mapping ${basename(path)} is not valid: ${problems.join('; ')}.`,
    {
      hint: 'docs/import.md describes the format of a mapping file, with an example.',
    },
  );

const directory = fileURLToPath(new URL('./mappings/', import.meta.url));

/** The mappings that come with the tool, by name. */
export async function builtInMappings(): Promise<Mapping[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.yaml')).sort();
  return Promise.all(files.map((file) => readMapping(`${directory}${file}`)));
}

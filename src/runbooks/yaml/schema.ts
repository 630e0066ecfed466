import { z } from 'zod';

/** What an operator's own runbook looks like in its file. */

const id = z
  .string()
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'lower-case words with hyphens, such as restart-worker');
const text = z.string().min(1);
/** A scalar that is used as text: YAML reads 5432 and true as what they look like. */
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const expectation = z
  .strictObject({
    exitCode: z.int().optional(),
    status: z.int().optional(),
    matches: z.string().refine(isPattern, 'is no regular expression').optional(),
    equals: scalar.optional(),
    atLeast: z.number().optional(),
    atMost: z.number().optional(),
  })
  .prefault({});

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern) instanceof RegExp;
  } catch {
    // What is wrong with it stands in the message of the schema.
    return false;
  }
}

const probeFields = {
  shell: z
    .array(scalar)
    .min(1)
    .optional()
    .describe('A program and its arguments, as a list; no shell reads them.'),
  env: z.record(z.string(), scalar).optional(),
  sql: text.optional().describe('One statement; values stand for $1, $2 …'),
  values: z.array(scalar).optional(),
  http: z
    .strictObject({
      url: text,
      method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET'),
      headers: z.record(z.string(), scalar).optional(),
      body: z.string().optional(),
    })
    .optional(),
  readOnly: z
    .boolean()
    .default(false)
    .describe('The program or request changes nothing: it may run in read-only mode.'),
  expect: expectation,
};

const one = 'give exactly one of shell, sql and http';
const hasOne = (probe: { shell?: unknown; sql?: unknown; http?: unknown }): boolean =>
  [probe.shell, probe.sql, probe.http].filter((way) => way !== undefined).length === 1;

const probe = z.strictObject(probeFields).refine(hasOne, one);
export type Probe = z.output<typeof probe>;

const base = {
  id,
  title: text,
  why: text.describe('For somebody who does it for the first time.'),
  manual: text.optional().describe('The command a person could type instead.'),
  timeout: z.number().positive().optional(),
  attempts: z.int().min(1).max(20).optional(),
};

const check = z
  .strictObject({
    kind: z.literal('check'),
    ...base,
    ...probeFields,
    otherwise: z.enum(['warning', 'critical']).default('critical'),
    must: z.boolean().default(false),
  })
  .refine(hasOne, one);

const plan = z
  .strictObject({
    kind: z.literal('plan'),
    ...base,
    summary: text.optional(),
    targets: z
      .array(z.strictObject({ type: text, name: text, action: text, state: probe.optional() }))
      .min(1)
      .optional(),
    sql: text.optional().describe('Rows with the columns type, name and action; others are state.'),
    values: z.array(scalar).optional(),
    notes: z.array(text).default([]),
  })
  .refine(
    (step) => (step.targets === undefined) !== (step.sql === undefined),
    'give either targets or sql',
  );

const approve = z.strictObject({
  kind: z.literal('approve'),
  ...base,
  name: text.describe('What is typed to approve what destroys something.'),
  question: text,
});

const act = z
  .strictObject({ kind: z.literal('act'), ...base, ...probeFields, verify: probe })
  .refine(hasOne, one);

const manual = z.strictObject({ kind: z.literal('manual'), ...base, instruction: text });

const branch = z.strictObject({
  kind: z.literal('branch'),
  ...base,
  cases: z
    .array(
      z
        .strictObject({
          step: id,
          state: z.enum(['ok', 'skipped', 'unknown', 'warning', 'critical']),
          runbook: id.optional(),
          goto: id.optional(),
          input: z.record(z.string(), scalar).default({}),
          why: text,
        })
        .refine(
          (entry) => (entry.runbook === undefined) !== (entry.goto === undefined),
          'give either runbook or goto',
        ),
    )
    .min(1),
});

const input = z.strictObject({
  type: z.enum(['string', 'integer', 'number', 'boolean']).default('string'),
  description: text,
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  required: z.boolean().default(true),
  pattern: z.string().refine(isPattern, 'is no regular expression').optional(),
});

export const fileSchema = z.strictObject({
  id,
  title: text,
  summary: text,
  symptoms: z.array(text).default([]),
  tags: z.array(text).default([]),
  roles: z.array(z.enum(['admin', 'data-engineer', 'analyst', 'frontend'])).min(1),
  risk: z.enum(['read', 'change', 'destroy']),
  inputs: z.record(z.string().regex(/^[A-Za-z]\w*$/), input).default({}),
  targets: z.array(text).default([]).describe('Names that one run at a time holds.'),
  steps: z.array(z.discriminatedUnion('kind', [check, plan, approve, act, manual, branch])).min(1),
});
export type RunbookFile = z.output<typeof fileSchema>;
export type FileStep = RunbookFile['steps'][number];
export type FileInput = z.output<typeof input>;

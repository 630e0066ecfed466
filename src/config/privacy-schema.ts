import { z } from 'zod';

/** How the tool finds a person, and what it does with what it finds; see docs/gdpr.md. */

const dataClasses = ['identifier', 'personal', 'free-text', 'none'] as const;
export type DataClass = (typeof dataClasses)[number];

const treatments = ['delete', 'redact', 'pseudonymise', 'keep'] as const;
export type Treatment = (typeof treatments)[number];

/** By what a person is found. */
export const identifierKinds = ['customer', 'buyer', 'email', 'phone'] as const;
export type IdentifierKind = (typeof identifierKinds)[number];

const columnName = z
  .string()
  .regex(/^([^.]+\.)?[^.]+\.[^.]+$/, 'a column as TABLE.COLUMN or SCHEMA.TABLE.COLUMN');

const tableTreatment = z
  .strictObject({
    columns: z
      .record(z.string().min(1), z.enum(dataClasses))
      .default({})
      .describe('Class of each column; "*" stands for all that are not named.'),
    rows: z
      .enum(treatments)
      .optional()
      .describe(
        'What becomes of the rows of a person: delete; redact (the row stays without what identifies or describes the person); pseudonymise (the same, with a pseudonym in place of the identifier); keep.',
      ),
    reason: z.string().min(1).optional().describe('Legal ground of what is kept.'),
    owner: z.string().min(1).optional().describe('Who answers for what is kept.'),
    reviewAt: z.iso.date().optional().describe('Day on which what is kept is judged again.'),
  })
  .refine(
    ({ rows, reason, owner, reviewAt }) =>
      rows !== 'keep' || (reason !== undefined && owner !== undefined && reviewAt !== undefined),
    'rows that are kept need a reason, an owner and reviewAt',
  );

const fileTreatment = z.strictObject({
  match: z.string().min(1).describe('Keys of the lake: raw/exports/**, with * and **.'),
  columns: z
    .record(z.string().min(1), z.enum(dataClasses))
    .default({})
    .describe('Class of each column or field; "*" stands for all that are not named.'),
  identifiers: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('What columns hold: customer, buyer, email, phone, or TABLE.COLUMN of the source.'),
});

const residual = z.strictObject({
  what: z.string().min(1),
  days: z.number().nonnegative(),
});

export const privacySchema = z.strictObject({
  subject: z
    .strictObject({
      customer: columnName
        .default('customer.customer_id')
        .describe("The column of the customer's id."),
      buyer: columnName
        .nullable()
        .default('buyer.buyer_id')
        .describe("The column of the buyer's id; null where there is none."),
      email: columnName
        .nullable()
        .default('customer.email')
        .describe('The column of the e-mail address; null where there is none.'),
      phone: columnName
        .nullable()
        .default('customer.phone')
        .describe('The column of the telephone number; null where there is none.'),
    })
    .prefault({})
    .describe('The columns in which a person is looked for.'),
  tables: z
    .record(z.string().min(1), tableTreatment)
    .default({})
    .describe(
      'Classes and treatment by table (TABLE, SCHEMA.TABLE or SCHEMA.*); what the default schema needs is built in.',
    ),
  files: z
    .array(fileTreatment)
    .default([])
    .describe(
      'Classes of files in the lake that are no table of the pipeline; the first match counts.',
    ),
  links: z
    .array(z.strictObject({ from: columnName, to: columnName }))
    .default([])
    .describe('Links that no foreign key declares; the row of `from` belongs to the row of `to`.'),
  fanOut: z
    .strictObject({
      people: z
        .int()
        .positive()
        .default(1)
        .describe('Customers found for one request beyond which a person looks first.'),
      rows: z
        .int()
        .positive()
        .default(10_000)
        .describe('Rows found for one request beyond which a person looks first.'),
    })
    .prefault({})
    .describe('For one request; beyond it a person has to look before anything is erased.'),
  weekends: z
    .enum(['after', 'before', 'ignore'])
    .default('after')
    .describe(
      'Where a deadline on a Saturday or Sunday moves to: the next working day (Regulation 1182/71), the last one before, nowhere.',
    ),
  warnDays: z.number().nonnegative().default(10).describe('Days before a deadline that warn.'),
  criticalDays: z
    .number()
    .nonnegative()
    .default(3)
    .describe('Days before a deadline that are critical.'),
  vacuum: z
    .enum(['plain', 'full'])
    .default('plain')
    .describe(
      'full rewrites the tables, so that no byte of a deleted row stays in their files; it locks them meanwhile.',
    ),
  residuals: z
    .array(residual)
    .default([
      { what: 'write-ahead log and page images of the server', days: 7 },
      { what: 'history window of the database (point-in-time restore)', days: 7 },
    ])
    .describe('What keeps erased rows for a while and cannot be erased from here, with its time.'),
});

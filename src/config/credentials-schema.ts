import { z } from 'zod';

/** The part of the configuration that says how credentials rotate; see schema.ts. */

const name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and underscores');

const words = z.array(z.string().min(1)).min(1);

/** A place that credentials are handed out from. */
const sink = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('env-file'),
      path: z.string().min(1).default('.env').describe('Relative to the configuration file.'),
    }),
    z.strictObject({
      kind: z.literal('secrets-manager'),
      name: z.string().min(1).describe('Name or ARN of the entry.'),
      region: z.string().min(1).optional(),
    }),
    z.strictObject({
      kind: z.literal('parameter-store'),
      name: z.string().min(1).describe('Name of the parameter, a SecureString.'),
      region: z.string().min(1).optional(),
      kmsKeyId: z.string().min(1).optional(),
    }),
    z.strictObject({
      kind: z.literal('github'),
      repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'OWNER/REPOSITORY'),
      name,
      environment: z.string().min(1).optional().describe('An environment of the repository.'),
      api: z.url({ protocol: /^https?$/ }).default('https://api.github.com'),
    }),
    z.strictObject({
      kind: z.literal('command'),
      write: words.describe('Program and arguments; it reads the values from stdin as JSON.'),
      read: words.optional().describe('Program that prints what is stored, as JSON.'),
    }),
  ])
  .meta({ type: 'object' });
export type SinkSettings = z.infer<typeof sink>;

const sinks = z
  .array(sink)
  .default([])
  .describe(
    'Where the credential is handed out, all of them at once: env-file, secrets-manager, parameter-store, github, command (docs/credentials.md). Without any, the .env beside the configuration file.',
  );

const hours = (description: string, value: number) =>
  z.number().nonnegative().default(value).describe(description);

const verifications = z
  .int()
  .min(1)
  .max(100)
  .default(5)
  .describe('Successes in a row that prove a new credential, with each service.');

const verifyTimeoutSeconds = z
  .number()
  .positive()
  .max(3600)
  .default(180)
  .describe('How long a new credential may take until it works everywhere.');

const aws = z.strictObject({
  user: z
    .string()
    .min(1)
    .optional()
    .describe('The IAM user whose key rotates; default: the one that the present key belongs to.'),
  role: z
    .enum(['admin', 'data-engineer', 'analyst', 'frontend'])
    .default('data-engineer')
    .describe('What the key has to be able to do with the lake, and what not.'),
  sinks,
  verifications,
  verifyTimeoutSeconds,
  soakHours: hours('Hours between the cut-over and the first look at the old key’s use.', 24),
  graceHours: hours('Hours an old key stays inactive before it is deleted.', 72),
  consumers: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        everyHours: z.number().positive(),
      }),
    )
    .default([])
    .describe(
      'Who uses the key and how often at least: the old one counts as unused after the longest of these times.',
    ),
});

const identifier = z.string().min(1).max(63);

const database = z.strictObject({
  mode: z
    .enum(['alternating', 'single', 'neon'])
    .default('alternating')
    .describe(
      'alternating: two login roles take turns, no gap. single: one role, with a short gap. neon: reset by Neon’s API, the old password is dead at once.',
    ),
  roles: z
    .array(identifier)
    .max(2)
    .default([])
    .describe('The login roles: two that alternate, or one.'),
  owner: identifier
    .optional()
    .describe('The role without login that owns everything and whose members the login roles are.'),
  rights: z
    .enum(['admin', 'data-engineer', 'analyst', 'frontend'])
    .default('data-engineer')
    .describe('What the login has to be able to do with the tables, and what not.'),
  variable: name.default('NEON_DB_URL').describe('Name under which the URL is handed out.'),
  sinks,
  verifications,
  verifyTimeoutSeconds,
  soakHours: hours('Hours between the cut-over and the lock of the old role.', 24),
  minimumGapHours: hours('Hours that lie at least between two rotations.', 24),
  neonBranch: z.string().min(1).optional().describe('Id of the Neon branch whose role is reset.'),
});

export const credentialsSchema = z.strictObject({
  aws: aws.prefault({}),
  database: database.prefault({}),
});

import { z } from 'zod';

export const approvalsSchema = z.strictObject({
  secondPerson: z
    .boolean()
    .default(false)
    .describe('Whether a second person must approve what destroys something.'),
});

export const roles = ['admin', 'data-engineer', 'analyst', 'frontend'] as const;
export type Role = (typeof roles)[number];

const rolesOfOne = z.array(z.enum(roles));

export const operatorsSchema = z.strictObject({
  roles: z
    .record(z.string().trim().min(1), rolesOfOne)
    .default({})
    .describe(
      'Roles of each person, by name: what REVIEWOPS_OPERATOR says, else the user of the system.',
    ),
  others: rolesOfOne
    .default(['admin'])
    .describe('Roles of everybody who is not named; an empty list lets them look only.'),
});

const time = z.iso.datetime({ offset: true });

export const maintenanceWindowsSchema = z.strictObject({
  required: z
    .array(z.string().min(1))
    .default([])
    .describe('Ids of runbooks that change things only while a maintenance window is open.'),
  windows: z
    .array(z.strictObject({ name: z.string().min(1), from: time.optional(), until: time }))
    .default([])
    .describe('The windows: a name, until (ISO 8601 with offset), and from where it lies ahead.'),
});

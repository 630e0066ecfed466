import { z } from 'zod';

export const approvalsSchema = z.strictObject({
  secondPerson: z
    .boolean()
    .default(false)
    .describe('Whether a second person must approve what destroys something.'),
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

import { access, appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { defineRunbook, type StepContext } from '../../../src/runbooks/engine/definition.js';

/**
 * A runbook whose world is a directory of files: it removes those named *.old, one by one, and then
 * writes a note. Each removal leaves a line in `log`, so that a test sees what was done twice.
 */
export interface SampleInput {
  directory: string;
}

const listOld = async ({ directory }: SampleInput): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith('.old')).sort();

export const makeFiles = async (directory: string, names: readonly string[]): Promise<void> => {
  await mkdir(directory, { recursive: true });
  for (const name of names) await writeFile(join(directory, name), name);
};

export const logOf = async (directory: string): Promise<string[]> => {
  const text = await readFile(join(directory, 'log'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
};

const targetsOf = ({ plan }: StepContext<SampleInput>): string[] =>
  (plan?.targets ?? []).map(({ name }) => name);

const there = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export const sample = defineRunbook({
  id: 'remove-old',
  title: 'Remove old files',
  summary: 'Removes the old files of a directory and leaves a note.',
  symptoms: ['the directory is full of old files'],
  tags: ['sample'],
  roles: ['admin'],
  risk: 'destroy',
  inputs: z.strictObject({ directory: z.string() }),
  targets: () => ['directory=sample'],
  steps: [
    {
      kind: 'check',
      id: 'count',
      title: 'Are there old files?',
      why: 'Without any there is nothing to do.',
      manual: ({ directory }) => `ls ${directory}/*.old`,
      run: async ({ input }) => {
        const names = await listOld(input);
        return { state: names.length > 0 ? 'warning' : 'ok', summary: `${names.length} old files` };
      },
    },
    {
      kind: 'plan',
      id: 'plan',
      title: 'What will be removed',
      why: 'Nothing else is touched.',
      manual: ({ directory }) => `ls ${directory}/*.old`,
      run: async ({ input }) => {
        const names = await listOld(input);
        return {
          summary: `${names.length} files will be removed.`,
          targets: names.map((name) => ({
            type: 'file',
            name,
            action: 'remove',
            state: { bytes: name.length },
          })),
          totals: { files: names.length },
          notes: [],
        };
      },
    },
    {
      kind: 'approve',
      id: 'approve',
      title: 'Remove them?',
      why: 'They cannot be brought back.',
      manual: () => 'ask the owner',
      name: () => 'sample',
      question: ({ plan }) => plan?.summary ?? '',
    },
    {
      kind: 'act',
      id: 'remove',
      title: 'Remove the files',
      why: 'They take space.',
      manual: ({ directory }) => `rm ${directory}/*.old`,
      run: async (context) => {
        const { directory } = context.input;
        for (const name of targetsOf(context)) {
          if (!(await there(join(directory, name)))) continue;
          await appendFile(join(directory, 'log'), `removed ${name}\n`);
          await rm(join(directory, name));
        }
        return { removed: targetsOf(context).length };
      },
      verify: async (context) => {
        const left = (await listOld(context.input)).filter((name) =>
          targetsOf(context).includes(name),
        );
        return { done: left.length === 0, summary: `${left.length} of the files are left.` };
      },
    },
    {
      kind: 'act',
      id: 'note',
      title: 'Leave a note',
      why: 'The next person sees why they are gone.',
      manual: ({ directory }) => `echo done > ${directory}/note`,
      run: async ({ input }) => {
        await appendFile(join(input.directory, 'log'), 'noted\n');
        await writeFile(join(input.directory, 'note'), 'removed');
        return {};
      },
      verify: async ({ input }) => ({
        done: await there(join(input.directory, 'note')),
        summary: 'The note lies there.',
      }),
    },
    {
      kind: 'check',
      id: 'prove',
      title: 'Are they gone?',
      why: 'Only what is seen counts.',
      manual: ({ directory }) => `ls ${directory}`,
      must: true,
      run: async ({ input }) => {
        const names = await listOld(input);
        return { state: names.length > 0 ? 'critical' : 'ok', summary: `${names.length} left` };
      },
    },
  ],
});

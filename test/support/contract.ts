import { readFileSync } from 'node:fs';
import { describe, type ExpectStatic, it } from 'vitest';
import { runCli } from './cli.js';

interface Manifest {
  commands: Record<string, { args: Record<string, { required?: boolean }> }>;
}

const manifest = JSON.parse(
  readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'),
) as Manifest;
export const commands = Object.entries(manifest.commands);

const password = 'kX9-sup3r-geheim';
const secrets = {
  NEON_DB_URL: `postgresql://app:${password}@db.invalid/reviews`,
  REVIEWOPS_PSEUDONYM_KEY: 'pseudonym-key-of-this-test',
};

const expectNoSecret = (expect: ExpectStatic, text: string) => {
  for (const secret of [password, secrets.REVIEWOPS_PSEUDONYM_KEY]) {
    expect(text).not.toContain(secret);
  }
};

/** What every command has in common, asked of the built program for those that are wanted. */
export function commandContract(wanted: (id: string) => boolean): void {
  describe.each(commands.filter(([id]) => wanted(id)))('%s', (id, { args }) => {
    const words = id.split(':');
    // The one command that follows the monitoring plugins, to which wrong usage is UNKNOWN.
    const usage = id === 'health' ? 3 : 2;

    it('has help', { concurrent: true }, async ({ expect }) => {
      const { code, stdout, stderr } = await runCli([...words, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`reviewops ${words.join(' ')}`);
      expect(stdout).toContain('--json');
    });

    it('answers an unknown flag alike with and without --json', { concurrent: true }, async ({
      expect,
    }) => {
      const wrong = [...words, '--no-such-flag=kX9-in-a-flag'];
      const [text, json] = await Promise.all([
        runCli(wrong, { env: secrets }),
        runCli([...wrong, '--json'], { env: secrets }),
      ]);
      expect({ text: text.code, json: json.code }).toEqual({ text: usage, json: usage });
      expect(text.stdout).toBe('');
      expect(json.stderr).toBe('');
      expect(json.json()).toEqual({
        status: usage,
        error: {
          code: 'USAGE_ERROR',
          message: 'Unknown flag: --no-such-flag.',
          hint: expect.stringContaining(`reviewops ${words.join(' ')} --help`),
        },
      });
      for (const output of [text.stderr, json.stdout]) {
        expectNoSecret(expect, output);
        expect(output).not.toContain('kX9-in-a-flag');
      }
    });

    // Only those that have one can be asked for it.
    if (!Object.values(args).some((arg) => arg.required)) return;
    it('asks for its arguments, without waiting on stdin', { concurrent: true }, async ({
      expect,
    }) => {
      const result = await runCli([...words, '--json'], { env: secrets, input: 'from stdin\n' });
      expect(result.code).toBe(usage);
      expect(result.json().error.message).toMatch(/^Missing: /);
    });
  });
}

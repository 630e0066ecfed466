import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';

interface Manifest {
  commands: Record<string, { args: Record<string, { required?: boolean }> }>;
}

const manifest = JSON.parse(
  readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8'),
) as Manifest;
const commands = Object.entries(manifest.commands);

const password = 'kX9-sup3r-geheim';
const secrets = {
  NEON_DB_URL: `postgresql://app:${password}@db.invalid/reviews`,
  REVIEWOPS_PSEUDONYM_KEY: 'pseudonym-key-of-this-test',
};

const expectNoSecret = (text: string) => {
  for (const secret of [password, secrets.REVIEWOPS_PSEUDONYM_KEY]) {
    expect(text).not.toContain(secret);
  }
};

describe('every command', () => {
  it('is in the manifest', () => {
    expect(commands.map(([id]) => id)).toContain('config:show');
  });

  describe.each(commands)('%s', (id, { args }) => {
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
        expectNoSecret(output);
        expect(output).not.toContain('kX9-in-a-flag');
      }
    });

    const required = Object.values(args).some((arg) => arg.required);
    it.runIf(required)(
      'asks for its arguments, without waiting on stdin',
      {
        concurrent: true,
      },
      async ({ expect }) => {
        const result = await runCli([...words, '--json'], { env: secrets, input: 'from stdin\n' });
        expect(result.code).toBe(usage);
        expect(result.json().error.message).toMatch(/^Missing: /);
      },
    );
  });
});

describe('the command line', () => {
  it('shows help without arguments, and ends well', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('TOPICS');
  });

  it('shows help of a topic', async () => {
    const [text, json] = await Promise.all([runCli(['config']), runCli(['config', '--json'])]);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('config show');
    expect(json.json<{ help: string }>().result.help).toBe(text.stdout);
  });

  it.each([
    [['confg', 'show'], 'Did you mean `reviewops config show`?'],
    [['config', 'shwo'], 'Did you mean `reviewops config show`?'],
    [['frobnicate'], 'See `reviewops --help`.'],
  ])('refuses the unknown command %s', async (words, hint) => {
    const [text, json] = await Promise.all([runCli(words), runCli([...words, '--json'])]);
    expect([text.code, json.code]).toEqual([2, 2]);
    expect(text.stdout).toBe('');
    expect(text.stderr).toContain(hint);
    const { error, status } = json.json();
    expect(status).toBe(2);
    expect(error.code).toBe('COMMAND_NOT_FOUND');
    expect(error.hint).toContain(hint);
  });

  it('refuses a flag without a command, and an argument too many', async () => {
    const [flag, argument] = await Promise.all([
      runCli(['--frobnicate', '--json']),
      runCli(['config', 'show', 'extra', '--json']),
    ]);
    expect(flag.json()).toMatchObject({ status: 2, error: { code: 'USAGE_ERROR' } });
    expect(argument.json().error.message).toBe('Unexpected argument: "extra".');
    expect([flag.code, argument.code]).toEqual([2, 2]);
  });

  it('takes global flags before the command', async () => {
    const result = await runCli(['--json', '--profile', 'prod', 'config', 'show']);
    expect(result.json<{ profile: string }>().result.profile).toBe('prod');
  });

  it('prints its version at once, alike with --json', async () => {
    const [text, json] = await Promise.all([
      runCli(['--version']),
      runCli(['--version', '--json']),
    ]);
    const { version } = json.json<{ version: string }>().result;
    expect(text.stdout).toMatch(new RegExp(`^reviewops/${version} node-v`));
    expect([text.code, json.code]).toEqual([0, 0]);
  });

  it('says which Node it needs before it loads anything', async () => {
    const fixture = new URL('../fixtures/cli/old-node.cjs', import.meta.url);
    const env = { NODE_OPTIONS: `--require ${fileURLToPath(fixture)}` };
    const [text, json] = await Promise.all([
      runCli(['config', 'show'], { env }),
      runCli(['config', 'show', '--json'], { env }),
    ]);
    expect([text.code, json.code]).toEqual([1, 1]);
    expect(text.stderr).toMatch(
      /needs Node >=20\.19; this is v18\.20\.4\. \[NODE_TOO_OLD\]\nnext: /,
    );
    expect(json.json()).toMatchObject({ status: 1, error: { code: 'NODE_TOO_OLD' } });
  });

  it('prints no colours where none are wanted', async () => {
    const { stdout } = await runCli(['config', 'show', '--no-color'], {
      env: { FORCE_COLOR: '1' },
    });
    expect(stdout).not.toContain('\u001b');
    const coloured = await runCli(['config', 'show'], { env: { FORCE_COLOR: '1' } });
    expect(coloured.stdout).toContain('\u001b[1m');
  });
});

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.js';
import { commandContract, commands } from '../support/contract.js';

/** The first command of each topic; contract-all.test.ts asks the others. */
const sampled = new Map(commands.map(([id]) => [id.split(':')[0], id] as const).toReversed());

describe('a command of each topic', () => {
  it('is in the manifest', () => {
    expect(commands.map(([id]) => id)).toContain('config:show');
    expect([...sampled.keys()]).toEqual(expect.arrayContaining(['batch', 'health', 'runbook']));
  });

  commandContract((id) => sampled.get(id.split(':')[0]) === id);
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

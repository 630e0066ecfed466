import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runCommand } from '../../../src/runbooks/engine/process.js';
import { registerSecret } from '../../../src/system/redact.js';
import { sandbox } from '../../support/sandbox.js';

const contextOf = (signal = new AbortController().signal) => {
  const lines: string[] = [];
  return { lines, context: { signal, output: (text: string) => lines.push(text) } };
};

it('gives exit code and output, line by line', async () => {
  const { lines, context } = contextOf();
  const result = await runCommand(context, [
    process.execPath,
    '-e',
    'console.log("a\\nb"); console.error("c"); process.exit(3)',
  ]);
  expect(result).toMatchObject({ exitCode: 3, stdout: 'a\nb\n', stderr: 'c\n' });
  expect(lines.toSorted()).toEqual(['a', 'b', 'c']);
});

it('uses no shell: words are words', async () => {
  const { context } = contextOf();
  const words = ['$(touch /tmp/x)', 'a b', ';', '*'];
  const { stdout } = await runCommand(context, [
    process.execPath,
    '-e',
    'console.log(JSON.stringify(process.argv.slice(1)))',
    '--',
    ...words,
  ]);
  expect(JSON.parse(stdout)).toEqual(words);
});

const gone = async (pid: number): Promise<boolean> => {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      // A zombie has ended; only its parent has not looked yet.
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return true;
    } catch {
      return true;
    }
    await new Promise((done) => setTimeout(done, 10));
  }
  return false;
};

it.skipIf(process.platform !== 'linux')(
  'a stop leaves no child alive, however deaf it is (needs Linux)',
  async () => {
    const directory = await sandbox();
    const stop = new AbortController();
    const { context } = contextOf(stop.signal);
    // A shell that ignores SIGTERM, with a child of its own that does, too.
    const script = `trap '' TERM; sh -c "trap '' TERM; echo \\$\\$ > ${join(directory, 'child')}; echo ready; sleep 60 & wait" & wait`;
    const running = runCommand({ ...context, output: (text) => text === 'ready' && stop.abort() }, [
      'sh',
      '-c',
      script,
    ]);
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const child = Number(await readFile(join(directory, 'child'), 'utf8'));
    expect(await gone(child)).toBe(true);
  },
);

it('keeps secrets out of the process list (rundeck#2627)', async () => {
  registerSecret('born-secret-9');
  const { context } = contextOf();
  await expect(runCommand(context, ['true', '--password=born-secret-9'])).rejects.toMatchObject({
    code: 'SECRET_IN_ARGUMENTS',
  });
});

it('says which program is missing', async () => {
  const { context } = contextOf();
  const locked = fileURLToPath(import.meta.url);
  // Where the PATH holds a directory that may not be searched, the system says of any name that it
  // may not be run.
  for (const program of ['no-such-program-x', locked]) {
    await expect(runCommand(context, [program])).rejects.toMatchObject({
      code: 'COMMAND_NOT_FOUND',
      message: expect.stringContaining(`There is no program "${program}"`),
      exitCode: 2,
    });
  }
});

it('a stop that comes before the program has started is no less a stop', async () => {
  const stop = new AbortController();
  const { context } = contextOf(stop.signal);
  const started = performance.now();
  const running = runCommand(context, [process.execPath, '-e', 'setTimeout(() => {}, 8000)']);
  stop.abort();
  await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
  expect(performance.now() - started).toBeLessThan(5000);
});

import { expect, it } from 'vitest';
import { describeFailure } from '../../src/cli/failure.js';

const systemError = (code: string) =>
  Object.assign(new Error(`${code}: open '/tmp/x'`), { code, syscall: 'open' });

it.each(['EMFILE', 'ENFILE'])('%s is a limit of the machine, and no bug', (code) => {
  expect(describeFailure(systemError(code))).toMatchObject({
    status: 1,
    code: 'TOO_MANY_FILES',
    hint: expect.stringContaining('Raise the limit'),
  });
});

it('what nobody foresaw is a bug, with its stack', () => {
  expect(describeFailure(systemError('EFAULT'))).toMatchObject({
    status: 1,
    code: 'BUG',
    stack: expect.stringContaining('failure.test'),
  });
});

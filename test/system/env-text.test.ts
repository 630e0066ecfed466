import { expect, it } from 'vitest';
import { strayLines } from '../../src/system/env-text.js';

it.each([
  ['', []],
  ['A=1\n', []],
  ['A=1', []],
  ['# note\n\n  export A = "x"  # why\nB=\n', []],
  ['\ufeffA=1\r\n\r\n# x\r\nB=2\r\n', []],
  ['A: 1\n', []],
  ['KEY="-----BEGIN\nline two\n  =line= three\n-----END" # pem\nB=1\n', []],
  ['NAME\n', [1]],
  ['A=1\nhalf a pass word\nB=2\n=x\n', [2, 4]],
  ['NEON_DB_URL postgres://u@h/db', [1]],
  ['A="x\ny"\nz"\nB=1', [3]],
])('strayLines(%j) is %j', (text, lines) => {
  expect(strayLines(text)).toEqual(lines);
});

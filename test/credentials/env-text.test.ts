import { parse } from 'dotenv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeVariables, setVariables } from '../../src/credentials/sinks/env-text.js';

describe('a variable of a .env', () => {
  it('is replaced, and every other byte stays', () => {
    const text = [
      '# NEON_DB_URL=in a comment',
      'export NEON_DB_URL="old" # why',
      "PEM='-----BEGIN",
      'NEON_DB_URL=inside of another value',
      "-----END'",
      'NEON_DB_URL_2=other\r',
      '',
      'LAST = 1',
    ].join('\n');
    const next = setVariables(text, { NEON_DB_URL: 'postgresql://u:p@h/d?a=1&b=2' });
    expect(next).toBe(text.replace('"old"', '"postgresql://u:p@h/d?a=1&b=2"'));
  });

  it('is appended where it is not there, on a line of its own', () => {
    expect(setVariables('A=1', { B: 'two words' })).toBe("A=1\nB='two words'\n");
    expect(setVariables('A=1\r\n', { B: '2' })).toBe('A=1\r\nB=2\r\n');
    expect(setVariables('', { B: '2' })).toBe('B=2\n');
  });

  it('is replaced wherever it stands: the last one counts for some readers, the first for others', () => {
    expect(setVariables('A=1\nB=2\nA=3\n', { A: '4' })).toBe('A=4\nB=2\nA=4\n');
  });

  it('is quoted for shells when it has to be, unless the file has it without', () => {
    expect(setVariables('', { U: 'a&b' })).toBe("U='a&b'\n");
    expect(setVariables('U=x&y\n', { U: 'a&b' })).toBe('U=a&b\n');
    expect(setVariables('U=x\n', { U: 'a#b' })).toBe("U='a#b'\n");
  });

  it('is removed with its line', () => {
    expect(removeVariables('A=1\nB="x\ny"\nC=3\n', ['B'])).toBe('A=1\nC=3\n');
  });

  it('survives what is written around it, whatever that is', () => {
    const name = fc.constantFrom('A', 'B', 'C', 'D_1');
    const value = fc.stringMatching(/^[A-Za-z0-9/+=@:?&%#. -]{1,40}$/).map((text) => text.trim());
    const other = fc.constantFrom('# note', '', 'X=1', "Y='a b' # c", 'export Z="q"', '  W = 7');
    fc.assert(
      fc.property(fc.array(other, { maxLength: 6 }), name, value, (lines, key, text) => {
        fc.pre(text !== '');
        const before = `${lines.join('\n')}\n`;
        const after = setVariables(before, { [key]: text });
        expect(parse(after)).toEqual({ ...parse(before), [key]: text });
        expect(removeVariables(after, [key])).toBe(before);
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clean, cut, pad, widthOf, wrap } from '../../src/tui/text.js';

const anything = fc.string({ unit: 'binary', maxLength: 60 });

describe('text for the screen', () => {
  it('shows what would steer the terminal, and steers nothing', () => {
    expect(clean('\u001b[2Ja\u0007b\u202ec\u2066d\u009b31m')).toBe(
      '\\u001b[2Ja\\u0007b\\u202ec\\u2066d\\u009b31m',
    );
    expect(clean('one\r\ntwo\tthree')).toBe('one two three');
    fc.assert(
      fc.property(anything, (text) => {
        expect(clean(text)).not.toMatch(
          /[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b-\u200f]|\p{Surrogate}/u,
        );
      }),
    );
  });

  it('fits exactly, whatever the characters', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 40 }), (text, width) => {
        expect(widthOf(pad(clean(text), width))).toBe(width);
        for (const line of wrap(clean(text), Math.max(2, width))) {
          expect(widthOf(line)).toBeLessThanOrEqual(Math.max(2, width));
        }
      }),
    );
    expect(cut('一二三四', 5)).toBe('一二…');
    expect(pad('一', 3, 'right')).toBe(' 一');
  });

  it('wraps between words, and loses none', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });
});

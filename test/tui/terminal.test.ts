import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { knowsAsciiOnly, toAscii } from '../../src/tui/terminal/ascii.js';
import { KeyDecoder } from '../../src/tui/terminal/decode.js';
import { Painter, type Screen } from '../../src/tui/terminal/painter.js';
import { widthOf } from '../../src/tui/text.js';

const decode = (...chunks: string[]) => {
  const decoder = new KeyDecoder();
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.flush()];
};

describe('keys', () => {
  it('are told apart in one chunk', () => {
    expect(decode('jk\u001b[A\u001bOB\u001b[6~\r\u0003\t\u001b[Z')).toEqual(
      ['j', 'k', 'up', 'down', 'pagedown', 'enter', 'ctrl-c', 'tab', 'shift-tab'].map((key) => ({
        key,
      })),
    );
  });

  it('are the same however a sequence is cut', () => {
    const text = 'a\u001b[5~é一\u001b[1;5C\u001b[200~yes\r\n\u001b[201~\u001b[H';
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const chunks = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(decode(...chunks)).toEqual(decode(text));
      }),
    );
  });

  it('Esc alone is Esc once nothing follows', () => {
    const decoder = new KeyDecoder();
    expect(decoder.push('\u001b')).toEqual([]);
    expect(decoder.pending).toBe(true);
    expect(decoder.flush()).toEqual([{ key: 'esc' }]);
  });

  it('pasted text is one press, whatever it holds', () => {
    expect(decode('\u001b[200~yes\rrm -rf\u001b[201~')).toEqual([{ paste: 'yes\rrm -rf' }]);
  });
});

class FakeScreen implements Screen {
  columns = 10;
  rows = 3;
  writableNeedDrain = false;
  written: string[] = [];
  #drained: (() => void)[] = [];

  write(text: string): boolean {
    this.written.push(text);
    return true;
  }

  once(_event: 'drain', listener: () => void): void {
    this.#drained.push(listener);
  }

  drain(): void {
    this.writableNeedDrain = false;
    for (const listener of this.#drained.splice(0)) listener();
  }
}

describe('painter', () => {
  it('writes the lines that changed, each at its place', () => {
    const screen = new FakeScreen();
    const painter = new Painter(screen);
    painter.paint('one\ntwo\nthree');
    painter.paint('one\n2\nthree');
    expect(screen.written[1]).toContain('\u001b[2;1H2');
    expect(screen.written[1]).not.toContain('three');
    painter.paint('one\n2\nthree');
    expect(screen.written).toHaveLength(2);
  });

  it('puts the cursor right after characters of doubtful width', () => {
    const screen = new FakeScreen();
    new Painter(screen).paint('a 一二 b');
    expect(screen.written[0]).toContain('一二\u001b[7G b');
  });

  it('gives a slow terminal the newest frame, not every one', () => {
    const screen = new FakeScreen();
    const painter = new Painter(screen);
    screen.writableNeedDrain = true;
    for (const frame of ['one', 'two', 'three']) expect(painter.paint(frame)).toBe(false);
    screen.drain();
    expect(screen.written).toHaveLength(1);
    expect(screen.written[0]).toContain('three');
  });
});

describe('a terminal that knows ASCII only', () => {
  it('gets signs of one column, and nothing moves', () => {
    const frame = '▸✓ ok │ café 評価… ❤️';
    expect(toAscii(frame)).toBe('>+ ok | caf? ????~ ??');
    expect(widthOf(toAscii(frame))).toBe(widthOf(frame));
  });

  it.each([
    [{ LANG: 'C' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'POSIX' }, true],
    [{ LANG: 'fr_FR.ISO-8859-1' }, true],
    [{ LANG: 'C', LC_ALL: 'C.utf8' }, false],
    [{ LANG: 'C', LC_CTYPE: 'en_US.UTF-8' }, false],
    [{ LANG: '' }, false],
    [{}, false],
  ])('is told by its locale: %j', (environment, expected) => {
    expect(knowsAsciiOnly(environment)).toBe(expected);
  });
});

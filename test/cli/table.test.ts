import { describe, expect, it } from 'vitest';
import { renderFields, renderTable } from '../../src/cli/table.js';

const plain = { color: false };

it('aligns columns, wide characters counted as wide', () => {
  const columns = [{ name: 'name' }, { name: 'rows', align: 'right' as const }];
  const rows = [
    ['日本', '1,000'],
    ['abcd', '1'],
  ];
  expect(renderTable(columns, rows, plain)).toBe('name   rows\n日本  1,000\nabcd      1');
});

it('keeps a row on one line, cuts what is too long, and shows control characters', () => {
  const rows = [['a\nb\tc', 'x'.repeat(30), '\u001b[31mred']];
  const columns = [{ name: '1' }, { name: '2', maxWidth: 10 }, { name: '3' }];
  expect(renderTable(columns, rows, plain).split('\n')[1]).toBe(
    `a b c  ${'x'.repeat(9)}…  \\u001b[31mred`,
  );
});

it('is its head where there are no rows', () => {
  expect(renderTable([{ name: 'a' }, { name: 'b' }], [], plain)).toBe('a  b');
});

describe('on a narrow screen', () => {
  const columns = [{ name: 'state' }, { name: 'rows', align: 'right' as const }, { name: 'found' }];
  const rows = [
    ['ok', '12,345', 'nothing newer waits'],
    [
      'critical',
      '1',
      'the orders of yesterday are not there, and \u001b[1mnobody\u001b[22m knows why',
    ],
  ];
  const at = (width: number, color = false) => renderTable(columns, rows, { color, width });

  it.each([79, 60, 40])('breaks the text of the last column between words, at %i', (width) => {
    const lines = at(width).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    expect(lines[0]).toBe('state       rows  found');
    expect(lines[1]).toMatch(/^ok {8}12,345 {2}nothing newer waits$/);
    expect(lines[2]).toMatch(/^critical {7}1 {2}the orders/);
    for (const line of lines.slice(3)) expect(line).toMatch(/^ {18}\S/);
    expect(
      lines
        .slice(2)
        .map((line) => line.slice(18))
        .join(' '),
    ).toContain('the orders of yesterday are not there, and');
  });

  it('writes rows as fields where a row would fill more than two lines', () => {
    expect(at(30).split('\n').slice(0, 5)).toEqual([
      'state  ok',
      'rows   12,345',
      'found  nothing newer waits',
      '',
      'state  critical',
    ]);
  });

  it('leaves a row of two lines to the screen when nothing in it can be broken', () => {
    const numbers = [{ name: 'a' }, { name: 'b', align: 'right' as const }];
    const text = renderTable(numbers, [['x'.repeat(20), '9'.repeat(20)]], {
      color: false,
      width: 30,
    });
    expect(text.split('\n')).toHaveLength(2);
  });

  it('changes nothing where there is room, or no screen', () => {
    expect(at(200)).toBe(renderTable(columns, rows, plain));
    expect(at(Number.POSITIVE_INFINITY)).toBe(renderTable(columns, rows, plain));
  });

  it('keeps the head where there are no rows', () => {
    expect(renderTable(columns, [], { color: false, width: 5 })).toBe('state  rows  found');
  });
});

it('sets fields in two columns', () => {
  expect(
    renderFields(
      [
        ['port', '5432'],
        ['directory', '/x'],
      ],
      plain,
    ),
  ).toBe('port       5432\ndirectory  /x');
});

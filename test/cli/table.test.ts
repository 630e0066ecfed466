import { expect, it } from 'vitest';
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

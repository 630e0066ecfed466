import { describe, expect, it } from 'vitest';
import { route } from '../../src/cli/route.js';

const tree = {
  commands: new Map(
    ['db:init', 'db:import', 'batch:show', 'pipeline:run', 'health'].map((id) => [id, 0]),
  ),
  topics: new Set(['db', 'batch', 'pipeline']),
};
const at = (line: string) =>
  route(
    line.split(' ').filter((word) => word !== ''),
    tree,
  );

describe('route', () => {
  it.each([
    ['db init', 'db:init', []],
    ['db import a.csv b.csv', 'db:import', ['a.csv', 'b.csv']],
    ['batch show 2026 --json', 'batch:show', ['2026', '--json']],
    ['--json --home /x db init --yes', 'db:init', ['--yes', '--json', '--home', '/x']],
    ['--home=/x db init', 'db:init', ['--home=/x']],
    ['health', 'health', []],
    ['db import -- --help', 'db:import', ['--', '--help']],
  ])('%s runs %s', (line, id, argv) => {
    expect(at(line)).toEqual({ kind: 'command', id, argv });
  });

  it.each([
    ['', undefined],
    ['--help', undefined],
    ['-h', undefined],
    ['help', undefined],
    ['--json', undefined],
    ['db', 'db'],
    ['db --help', 'db'],
    ['help db', 'db'],
    ['help db init', 'db:init'],
    ['db init --help', 'db:init'],
    ['db init extra --json -h', 'db:init'],
  ])('%j asks for help of %s', (line, id) => {
    expect(at(line)).toEqual({ kind: 'help', id });
  });

  it.each([
    [
      'db innit',
      'COMMAND_NOT_FOUND',
      'Did you mean `reviewops db init`? See `reviewops db --help`.',
    ],
    [
      'batc show',
      'COMMAND_NOT_FOUND',
      'Did you mean `reviewops batch show`? See `reviewops --help`.',
    ],
    ['batc', 'COMMAND_NOT_FOUND', 'Did you mean `reviewops batch`? See `reviewops --help`.'],
    ['zzzz', 'COMMAND_NOT_FOUND', 'See `reviewops --help`.'],
    ['db zzzzzz --help', 'COMMAND_NOT_FOUND', 'See `reviewops db --help`.'],
    ['--jsno', 'USAGE_ERROR', 'Did you mean `--json`? See `reviewops --help`.'],
    ['db --frobnicate=secret', 'USAGE_ERROR', 'See `reviewops --help`.'],
  ])('%s is an error with advice', (line, code, hint) => {
    const target = at(line);
    expect(target).toMatchObject({ kind: 'unknown', failure: { status: 2, code, hint } });
    expect(JSON.stringify(target)).not.toContain('secret');
  });
});

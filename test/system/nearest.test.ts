import { expect, it } from 'vitest';
import { nearest } from '../../src/system/nearest.js';

it.each([
  ['threds', ['threads', 'parallelism'], 'threads'],
  ['lenght', ['length', 'votes'], 'length'],
  ['THREADS', ['threads'], 'threads'],
  ['sohw', ['show', 'check'], 'show'],
  ['x', ['threads'], undefined],
  ['frobnicate', ['threads', 'batch'], undefined],
  ['anything', [], undefined],
])('%s among %j is %s', (text, candidates, expected) => {
  expect(nearest(text, candidates)).toBe(expected);
});

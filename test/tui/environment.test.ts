import { describe, expect, it } from 'vitest';
import { judge } from '../../src/tui/effects/environment.js';

const identity = { database: 'shop', role: 'app', marked: null, replica: false };
const remote = { description: 'db.example:5432/shop', local: false, embedded: false };

describe('which environment the connection reports', () => {
  it.each([
    ['production', remote, 'production', 'PRODUCTION'],
    ['prod', { ...remote, local: true }, 'production', 'PRODUCTION'],
    ['staging', remote, 'elsewhere', 'staging'],
    [null, remote, 'production', 'shop, remote and unmarked'],
    [null, { ...remote, local: true }, 'local', 'shop on this machine'],
    [null, { ...remote, local: true, embedded: true }, 'local', 'embedded database'],
  ])('marked %j at %j: %s', (marked, place, kind, name) => {
    expect(judge({ ...identity, marked }, place)).toMatchObject({ kind, name });
  });

  it('names role and address, and a replica as one', () => {
    expect(judge({ ...identity, replica: true }, remote).detail).toBe(
      'app on db.example:5432/shop, a replica',
    );
  });
});

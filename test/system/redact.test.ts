import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact, redactDeep, registerSecret, registerSecretUrl } from '../../src/system/redact.js';

describe('redact', () => {
  it('masks what is registered, wherever it stands', () => {
    registerSecret('s3cr3t-value');
    expect(redact('before s3cr3t-value, after s3cr3t-value')).toBe('before ***, after ***');
    expect(redactDeep({ a: ['s3cr3t-value'], b: 1, 's3cr3t-value': null })).toEqual({
      a: ['***'],
      b: 1,
      '***': null,
    });
  });

  it('masks the password of any URL, registered or not', () => {
    expect(redact('at postgres://ada:pa:ss@host:5432/db now')).toBe(
      'at postgres://ada:***@host:5432/db now',
    );
    expect(redact('https://host:8080/a@b')).toBe('https://host:8080/a@b');
    expect(redact('?password=abc&x=1')).toBe('?password=***&x=1');
  });

  it('does not mask a word that the URL shows anyway', () => {
    registerSecretUrl('postgres://reviews:reviews@localhost/reviews');
    expect(redact('database reviews')).toBe('database reviews');
    expect(redact('postgres://reviews:reviews@localhost/reviews')).toBe('***');
  });

  it('masks any password of a database URL, raw and decoded', () => {
    const password = fc
      .string({ minLength: 8, maxLength: 24 })
      .filter((text) => text.trim() !== '');
    fc.assert(
      fc.property(password, (text) => {
        const encoded = encodeURIComponent(text);
        registerSecretUrl(`postgresql://someone:${encoded}@somewhere/something`);
        expect(redact(`<${text}> <${encoded}>`)).toBe('<***> <***>');
      }),
      { numRuns: 50 },
    );
  });
});

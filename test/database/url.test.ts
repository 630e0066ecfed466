import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tlsOptions, verification } from '../../src/database/connect.js';
import { externalTarget, parseDatabaseUrl } from '../../src/database/url.js';
import { isOperatorError } from '../../src/system/errors.js';

const neon = 'postgresql://ada:s3cret@ep-cool-1.eu-central-1.aws.neon.tech/shop?sslmode=require';

describe('parseDatabaseUrl', () => {
  it('reads what a provider hands out', () => {
    expect(
      parseDatabaseUrl(`${neon}&channel_binding=require&options=endpoint%3Dep-cool-1`),
    ).toMatchObject({
      host: 'ep-cool-1.eu-central-1.aws.neon.tech',
      port: 5432,
      user: 'ada',
      password: 's3cret',
      database: 'shop',
      sslMode: 'require',
      channelBinding: 'require',
      options: 'endpoint=ep-cool-1',
    });
  });

  it.each(['p@ss', 'a/b?c#d', '100%', 'x:y:z', 'ü&=+', '%zz', '@@', 'a b'])(
    'takes the password %s, escaped or not',
    (password) => {
      for (const written of [password, encodeURIComponent(password)]) {
        expect(parseDatabaseUrl(`postgres://u:${written}@h:1/d?sslmode=disable`)).toMatchObject({
          password,
          host: 'h',
          port: 1,
          database: 'd',
        });
      }
    },
  );

  it('takes any escaped user, password and database', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' });
    fc.assert(
      fc.property(text, text, text, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        expect(parseDatabaseUrl(`postgresql://${u}:${p}@h/${d}`)).toMatchObject({
          user,
          password,
          database,
        });
      }),
    );
  });

  it('reads addresses, sockets and defaults as libpq does', () => {
    expect(parseDatabaseUrl('postgres://u@[::1]:99')).toMatchObject({
      host: '::1',
      port: 99,
      database: 'u',
      password: undefined,
    });
    expect(parseDatabaseUrl('postgresql:///shop?host=/run/pg&user=u')).toMatchObject({
      host: '/run/pg',
      port: 5432,
      database: 'shop',
    });
  });

  it.each([
    'mysql://u:geheim@h/d',
    'geheim',
    'postgres://h/d?password=geheim',
    'postgres://u:geheim@/d',
    'postgres://u:geheim@h:99999/d',
    'postgres://u:geheim@h:port/d',
    'postgres://u:geheim@a,b/d',
    'postgres://u:geheim@h/d?sslmode=geheim',
    'postgres://u:geheim@h/d?channel_binding=geheim',
  ])('refuses a malformed URL without quoting it', (url) => {
    try {
      parseDatabaseUrl(url);
    } catch (error) {
      expect(error).toMatchObject({ code: 'DATABASE_URL_INVALID', exitCode: 2 });
      expect(isOperatorError(error) && error.message + error.hint).not.toContain('geheim');
      return;
    }
    expect.unreachable();
  });
});

describe('externalTarget', () => {
  it.each([
    [neon, 'direct'],
    [neon.replace('ep-cool-1.', 'ep-cool-1-pooler.'), 'pooler'],
    ['postgres://u:p@127.0.0.1/d', 'loopback'],
    ['postgres://u:p@localhost/d', 'loopback'],
    ['postgres://u:p@[::1]/d', 'loopback'],
  ])('classifies %s', (url, endpoint) => {
    expect(externalTarget(url)).toMatchObject({ endpoint, kind: 'external', url });
  });

  it('describes without user and password', () => {
    expect(externalTarget(neon).description).toBe('ep-cool-1.eu-central-1.aws.neon.tech:5432/shop');
  });

  it.each(['', '?sslmode=disable', '?sslmode=prefer', '?sslmode=allow'])(
    'refuses a URL off loopback with %j',
    (query) => {
      expect(() => externalTarget(`postgres://u:p@db.example.org/d${query}`)).toThrow(
        expect.objectContaining({
          code: 'DATABASE_TLS_REQUIRED',
          exitCode: 2,
          hint: expect.stringContaining('sslmode=require'),
        }),
      );
    },
  );

  it('is not fooled by a name that looks like loopback', () => {
    for (const host of ['127.0.0.1.example.org', 'localhost.example.org', '128.0.0.1']) {
      expect(() => externalTarget(`postgres://u:p@${host}/d`)).toThrow(/unencrypted/);
    }
  });
});

describe('TLS', () => {
  const at = (host: string, query: string) => parseDatabaseUrl(`postgres://u:p@${host}/d?${query}`);

  it.each([
    ['db.example.org', 'sslmode=require', 'none'],
    ['db.example.org', 'sslmode=require&sslrootcert=/x', 'authority'],
    ['db.example.org', 'sslmode=verify-ca&sslrootcert=/x', 'authority'],
    ['db.example.org', 'sslmode=verify-ca', 'full'],
    ['db.example.org', 'sslmode=verify-full&sslrootcert=system', 'full'],
    ['ep-1.eu.aws.neon.tech', 'sslmode=require', 'full'],
    ['evil-neon.tech', 'sslmode=require', 'none'],
  ])('on %s with %s checks: %s', (host, query, expected) => {
    expect(verification(at(host, query))).toBe(expected);
  });

  it('is off on loopback unless asked for, and never off elsewhere', async () => {
    expect(await tlsOptions(at('127.0.0.1', ''))).toBeUndefined();
    expect(await tlsOptions(at('127.0.0.1', 'sslmode=require'))).toMatchObject({
      rejectUnauthorized: false,
    });
    expect(await tlsOptions(at('db.example.org', 'sslmode=disable'))).toBeDefined();
  });

  it('names a certificate file that cannot be read', async () => {
    await expect(
      tlsOptions(at('h', 'sslmode=verify-full&sslrootcert=/no/such.pem')),
    ).rejects.toMatchObject({ exitCode: 2, hint: expect.stringContaining('/no/such.pem') });
  });
});

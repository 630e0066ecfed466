import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { loginOf, withLogin } from '../../src/credentials/database/login-url.js';
import { scramVerifier } from '../../src/credentials/database/scram.js';
import { generatePassword, secretForms } from '../../src/credentials/secret.js';
import { parseDatabaseUrl } from '../../src/database/url.js';

describe('a password that is made', () => {
  it('survives URLs, .pgpass and shells (rotation-lambdas#9)', () => {
    for (let times = 0; times < 200; times += 1) {
      const password = generatePassword();
      expect(password).toMatch(/^[A-Za-z0-9]{48}$/);
      expect(encodeURIComponent(password)).toBe(password);
      expect(new URL(`postgresql://u:${password}@h/d`).password).toBe(password);
      // In .pgpass a colon or a backslash would have to be escaped.
      expect(password).not.toMatch(/[:\\]/);
    }
    const password = generatePassword();
    const { stdout } = spawnSync('sh', ['-c', `P=${password}; printf %s $P`], { encoding: 'utf8' });
    expect(stdout).toBe(password);
    expect(new Set(Array.from({ length: 100 }, generatePassword)).size).toBe(100);
  });

  it('is known in every form that a program may show', () => {
    const value = 'a/b+c="d"\\';
    expect(secretForms(value)).toEqual(
      expect.arrayContaining([
        value,
        'a%2Fb%2Bc%3D%22d%22%5C',
        Buffer.from(value).toString('base64'),
        'a/b+c=\\"d\\"\\\\',
      ]),
    );
  });
});

describe('the login of a URL', () => {
  it.each([
    'postgresql://app:old@db.example:5433/reviews?sslmode=require&channel_binding=require',
    'postgres://app:p@ss:w%2Frd@[::1]/reviews',
    'postgresql://db.example/reviews?user=app&password=old&sslmode=require',
    'postgresql://app@localhost/reviews',
  ])('is replaced in %s, and nothing else', (url) => {
    const made = withLogin(url, 'app b', 'NewPassword1');
    expect(loginOf(made)).toEqual({ user: 'app b', password: 'NewPassword1' });
    const [before, after] = [parseDatabaseUrl(url), parseDatabaseUrl(made)];
    const rest = { user: '', password: '' };
    expect({ ...after, ...rest }).toEqual({ ...before, ...rest });
  });
});

describe('a SCRAM verifier', () => {
  it('is the one of RFC 7677', async () => {
    // The example's password is "pencil", its salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 iterations.
    const verifier = await scramVerifier(
      'pencil',
      Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
    );
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });

  it('is made of ASCII only', async () => {
    await expect(scramVerifier('pässword')).rejects.toThrow(/ASCII/);
  });
});

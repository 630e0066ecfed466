import { expect, it } from 'vitest';
import { serverFailure } from '../../src/database/embedded/failure.js';

const log = (end: string) =>
  `2026-11-29 02:41:02.404 UTC [7910] LOG:  starting PostgreSQL\n2026-11-29 02:41:02.404 UTC [7910] ${end}\n2026-11-29 02:41:02.417 UTC [7910] LOG:  database system is shut down\n`;

it.each([
  [
    'LOG:  could not bind IPv4 address "127.0.0.1": Permission denied',
    'PORT_NOT_ALLOWED',
    'Starting failed: The server may not use that port (/log): could not bind IPv4 address "127.0.0.1": Permission denied.',
  ],
  [
    'FATAL:  could not open file "x": Permission denied',
    'PERMISSION_DENIED',
    'Starting failed: Permission denied (/log): could not open file "x": Permission denied.',
  ],
  [
    'FATAL:  could not write to file "pg_wal/x": No space left on device',
    'DISK_FULL',
    'Starting failed: The disk is full (/log): could not write to file "pg_wal/x": No space left on device.',
  ],
])('names %s', (line, code, message) => {
  expect(serverFailure('Starting', log(line), '/log')).toMatchObject({ code, message });
});

it('shows the end of what it does not know, without the password', () => {
  const { code, message } = serverFailure(
    'Starting',
    log('FATAL:  odd geheim-9'),
    '/log',
    'geheim-9',
  );
  expect(code).toBe('EMBEDDED_START_FAILED');
  expect(message).toContain('odd ********');
  expect(message).toContain('shut down');
});

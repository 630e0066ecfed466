import { statfs } from 'node:fs/promises';

export const settingsFile = 'reviewops.conf';

/**
 * The server's settings: a local database that can be made anew, so no replication (and with it a
 * COPY into a table of the same transaction writes no log), but durable. ALTER SYSTEM overrides
 * them. What the log keeps excludes statements and rejected values: they can hold personal data.
 */
export async function serverSettings(port: number): Promise<string> {
  return [
    '# Written by reviewops at each start; ALTER SYSTEM overrides what is set here.',
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    // A socket's path is limited to about 100 bytes; a state directory's is not.
    "unix_socket_directories = ''",
    'password_encryption = scram-sha-256',
    'max_connections = 100',
    'shared_buffers = 256MB',
    'work_mem = 16MB',
    'maintenance_work_mem = 128MB',
    `dynamic_shared_memory_type = ${await sharedMemory()}`,
    'random_page_cost = 1.1',
    'wal_level = minimal',
    'max_wal_senders = 0',
    'max_wal_size = 4GB',
    'checkpoint_timeout = 15min',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    'log_min_messages = log',
    'log_min_error_statement = panic',
    'log_checkpoints = off',
    '',
  ].join('\n');
}

/** Containers often get 64 MB of /dev/shm, which one parallel hash join can fill. */
async function sharedMemory(): Promise<'posix' | 'mmap'> {
  if (process.platform !== 'linux') return 'posix';
  try {
    const { bsize, blocks } = await statfs('/dev/shm');
    return bsize * blocks >= 512 * 1024 * 1024 ? 'posix' : 'mmap';
  } catch {
    // No /dev/shm at all.
    return 'mmap';
  }
}

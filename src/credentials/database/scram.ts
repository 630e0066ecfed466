import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const iterations = 4096;

/**
 * What PostgreSQL stores of a password (RFC 5803): made here, so that the password itself never
 * travels in a statement or stands in the server's log. Takes ASCII passwords, which SASLprep leaves
 * as they are.
 */
export async function scramVerifier(
  password: string,
  salt: Uint8Array = randomBytes(16),
): Promise<string> {
  if (!/^[\x21-\x7e]+$/.test(password)) throw new Error('SCRAM verifiers are made of ASCII here.');
  const salted = await promisify(pbkdf2)(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const server = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${stored}:${server}`;
}

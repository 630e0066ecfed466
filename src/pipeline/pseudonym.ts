import { createHmac } from 'node:crypto';

/**
 * The pseudonym of a customer id, as silver and gold hold it in `buyer_id`: the first 32 hex digits
 * of HMAC-SHA-256 under the secret key. The engine's `pseudonym` macro gives the same.
 */
export const pseudonym = (customerId: string, key: Uint8Array): string =>
  createHmac('sha256', key).update(customerId, 'utf8').digest('hex').slice(0, 32);

/**
 * Identifies the key without revealing it, so that a manifest can say which key its pseudonyms
 * were made with: 16 hex digits.
 */
export const pseudonymKeyId = (key: Uint8Array): string =>
  createHmac('sha256', key).update('reviewops pseudonym key id').digest('hex').slice(0, 16);

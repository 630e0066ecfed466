import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { pseudonymKeyId } from '../pipeline/pseudonym.js';
import { failed } from '../system/errors.js';

/** Grows when the derivation changes; part of every key id. */
const version = 'v1';
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/**
 * What the secret key of the pseudonyms is used for here, each use with a key of its own (HKDF):
 * digests that nobody can compute without it, and sealing.
 */
export interface PrivacyKeys {
  /** Identifies version and key without revealing it: `v1-16 hex digits`. */
  id: string;
  /** For the engine, which computes the same digests (`declareDigest`). */
  digestKey: Uint8Array;
  /** 64 hex digits of HMAC-SHA-256; another one for each purpose. */
  digest(purpose: string, text: string): string;
  /** Base64 of nonce, tag and AES-256-GCM of the text, bound to the purpose. */
  seal(purpose: string, text: string): string;
  /** @throws SEAL_BROKEN (exit 1) when the text was changed or sealed with another key */
  open(purpose: string, sealed: string): string;
}

/** The keys that digest and seal identifiers, derived (HKDF-SHA-256) from the key of the pseudonyms. */
export function derivePrivacyKeys(pseudonymKey: Uint8Array): PrivacyKeys {
  const derive = (use: string) =>
    Buffer.from(hkdfSync('sha256', pseudonymKey, '', `reviewops privacy ${use} ${version}`, 32));
  const digestKey = derive('digest');
  const sealKey = derive('seal');
  return {
    id: `${version}-${pseudonymKeyId(pseudonymKey)}`,
    digestKey,
    digest: (purpose, text) => digestWith(digestKey, purpose, text),
    seal: (purpose, text) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, sealKey, nonce);
      cipher.setAAD(Buffer.from(purpose));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
    },
    open: (purpose, sealed) => {
      const bytes = Buffer.from(sealed, 'base64');
      try {
        const decipher = createDecipheriv(algorithm, sealKey, bytes.subarray(0, nonceBytes));
        decipher.setAAD(Buffer.from(purpose));
        decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
        const body = bytes.subarray(nonceBytes + tagBytes);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw failed('SEAL_BROKEN', `The identifiers of ${purpose} cannot be opened.`, {
          hint: 'They were sealed with another REVIEWOPS_PSEUDONYM_KEY, or changed. Run it with the key of that time, or record the request anew.',
          cause,
        });
      }
    },
  };
}

/** What stands between purpose and text: no text of a database holds it. */
const digestSeparator = '\0';

const digestWith = (key: Uint8Array, purpose: string, text: string): string =>
  createHmac('sha256', key).update(`${purpose}${digestSeparator}${text}`, 'utf8').digest('hex');

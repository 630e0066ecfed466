import type { Engine } from '../engine/session.js';
import type { PrivacyKeys } from './keys.js';
import type { Tombstone } from './suppression.js';

/** HMAC-SHA-256 as `PrivacyKeys.digest` computes it, as a macro of the engine. */
export async function declareDigest(engine: Engine, { digestKey }: PrivacyKeys): Promise<void> {
  const block = new Uint8Array(64);
  block.set(digestKey);
  for (const [name, mask] of [
    ['digest_inner', 0x36],
    ['digest_outer', 0x5c],
  ] as const) {
    const pad = Buffer.from(block.map((byte) => byte ^ mask)).toString('hex');
    await engine.run(`SET VARIABLE ${name} = unhex('${pad}')`);
  }
  await engine.run(
    `CREATE OR REPLACE MACRO privacy_digest(purpose, value) AS
       sha256(getvariable('digest_outer') || unhex(sha256(getvariable('digest_inner') || encode(purpose || chr(0) || value))))`,
  );
}

/** Leaves the tombstones in the engine, as `tombstone(kind, digest, effective_at)`. */
export async function declareTombstones(
  engine: Engine,
  tombstones: readonly Tombstone[],
): Promise<void> {
  await engine.run(
    'CREATE OR REPLACE TABLE tombstone (kind VARCHAR, digest VARCHAR, effective_at TIMESTAMP WITH TIME ZONE)',
  );
  const size = 500;
  for (let at = 0; at < tombstones.length; at += size) {
    const some = tombstones.slice(at, at + size);
    const rows = some.map(
      (_one, place) =>
        `($${place * 3 + 1}, $${place * 3 + 2}, CAST($${place * 3 + 3} AS TIMESTAMP WITH TIME ZONE))`,
    );
    await engine.run(
      `INSERT INTO tombstone VALUES ${rows.join(', ')}`,
      some.flatMap(({ kind, digest, effectiveAt }) => [kind, digest, effectiveAt]),
    );
  }
}

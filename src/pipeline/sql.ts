import { readFile } from 'node:fs/promises';
import { type Engine, literal } from '../engine/session.js';

/** A setting as SQL: numbers as they are, text quoted, `{ sql }` verbatim. */
export type SqlSetting = string | number | { sql: string };

const read = (name: string): Promise<string> =>
  readFile(new URL(`./sql/${name}`, import.meta.url), 'utf8');

/** Fills in `{{name}}`; a name without a value is a bug and throws. */
export function renderSql(text: string, settings: Record<string, SqlSetting>): string {
  return text.replace(/\{\{(\w+)\}\}/g, (_match, name: string) => {
    const value = settings[name];
    if (value === undefined) throw new Error(`The SQL asks for {{${name}}}, which has no value.`);
    if (typeof value === 'number') return numberLiteral(value);
    return typeof value === 'string' ? literal(value) : value.sql;
  });
}

/** A DOUBLE literal: engines read `0.1` as a decimal, and decimals overflow in products. */
const numberLiteral = (value: number): string => `CAST(${value} AS DOUBLE)`;

/** Runs one of the stage files in `sql/`, statement by statement, with its settings. */
export async function runSqlFile(
  engine: Engine,
  name: string,
  settings: Record<string, SqlSetting> = {},
): Promise<void> {
  await engine.run(renderSql(await read(name), settings));
}

/**
 * Declares the macros that stand for what engines spell differently, and the key of the
 * pseudonyms: the two HMAC pads (RFC 2104) as session variables.
 */
export async function declareMacros(engine: Engine, pseudonymKey: Uint8Array): Promise<void> {
  const block = new Uint8Array(64);
  const { createHash } = await import('node:crypto');
  block.set(
    pseudonymKey.length > 64 ? createHash('sha256').update(pseudonymKey).digest() : pseudonymKey,
  );
  for (const [name, mask] of [
    ['pseudonym_inner', 0x36],
    ['pseudonym_outer', 0x5c],
  ] as const) {
    const pad = Buffer.from(block.map((byte) => byte ^ mask));
    await engine.run(`SET VARIABLE ${name} = unhex('${pad.toString('hex')}')`);
  }
  await runSqlFile(engine, 'macros.duckdb.sql');
}

/**
 * From now on the engine keeps the right side of a join in memory. By itself it keeps what it guesses
 * to be smaller, and of reviews and their ids, which are as many, it may keep the reviews, texts and all.
 */
export const joinAsWritten = (engine: Engine): Promise<void> =>
  engine.run("SET disabled_optimizers = 'build_side_probe_side'");

/** Ends `joinAsWritten`. */
export const joinAsGuessed = (engine: Engine): Promise<void> =>
  engine.run('RESET disabled_optimizers');

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseClient } from '../database/client.js';
import { copyToFile } from '../database/copy.js';
import { quoteIdentifier, quoteTable } from '../database/identifiers.js';
import { parquetSource, writeParquet } from '../engine/parquet.js';
import { type Engine, fileLiteral } from '../engine/session.js';
import { failed } from '../system/errors.js';
import { declareMacros } from './sql.js';
import type { StageContext } from './stage.js';

/**
 * Leaves `review_owner(review_id, customer_id)` in the engine, as the source has it now: a view of a
 * file, since the ids of all reviews may not fit in memory.
 *
 * @throws LOAD_COUNT_MISMATCH and what database and engine throw
 */
export async function readOwners(
  client: DatabaseClient,
  engine: Engine,
  context: StageContext,
  scratch: string,
): Promise<void> {
  const { schema, entities } = context.config.source;
  const { table, review_id, customer_id } = entities.review;
  const sent = join(scratch, 'owners.csv');
  const kept = join(scratch, 'owners.parquet');
  const { rows } = await copyToFile(
    client,
    // As text, ids that are padded to a length come without the padding, as in the lake.
    `COPY (SELECT ${quoteIdentifier(review_id)}::text, ${quoteIdentifier(customer_id)}::text
           FROM ${quoteTable(schema, table)} WHERE ${quoteIdentifier(review_id)} IS NOT NULL)
     TO STDOUT (FORMAT csv)`,
    sent,
  );
  const read = await writeParquet(
    engine,
    `SELECT * FROM read_csv(${fileLiteral(sent)},
       header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', new_line = '\\n',
       nullstr = '', allow_quoted_nulls = false, columns = {'review_id': 'VARCHAR', 'customer_id': 'VARCHAR'})`,
    kept,
  );
  if (read.rows !== rows)
    throw countMismatch(`The database sent ${rows} owners of reviews`, read.rows);
  await rm(sent);
  await engine.run(`CREATE VIEW review_owner AS SELECT * FROM ${parquetSource([kept])}`);
}

/**
 * Makes the table `piece_owner(review_id, customer_id)` of those that the files of gold need, a row
 * for each review.
 */
export async function pickOwners(
  engine: Engine,
  context: StageContext,
  files: string,
): Promise<void> {
  await engine.run(
    `CREATE OR REPLACE TABLE piece_owner AS
       SELECT review_id, min(customer_id) AS customer_id, count(*) AS times FROM review_owner
       WHERE review_id IN (SELECT review_id FROM ${files}) GROUP BY review_id`,
  );
  const [repeated] = await engine.rows('SELECT 1 FROM piece_owner WHERE times > 1 LIMIT 1');
  if (repeated !== undefined) await takeAuthors(engine, context, files);
}

/**
 * Of a source that has an id several times, the first row was kept, with the pseudonym of whoever wrote
 * that one: another's name must not stand under it.
 */
async function takeAuthors(engine: Engine, context: StageContext, files: string): Promise<void> {
  await declareMacros(engine, context.pseudonymKey);
  await engine.run(
    `UPDATE piece_owner SET customer_id = author.customer_id
     FROM (
       SELECT DISTINCT owner.review_id, owner.customer_id
       FROM review_owner AS owner
       INNER JOIN (SELECT DISTINCT review_id, buyer_id FROM ${files}) AS fact
         ON owner.review_id = fact.review_id
       WHERE owner.review_id IN (SELECT review_id FROM piece_owner WHERE times > 1)
         AND pseudonym(owner.customer_id) IS NOT DISTINCT FROM fact.buyer_id
     ) AS author
     WHERE author.review_id = piece_owner.review_id`,
  );
}

export const countMismatch = (sent: string, taken: number) =>
  failed('LOAD_COUNT_MISMATCH', `${sent}, but ${taken} arrived.`, {
    hint: 'Nothing was published. Run it again; if it happens twice, report it as a bug.',
  });

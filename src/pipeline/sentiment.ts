import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { type Engine, fileLiteral } from '../engine/session.js';
import { describeFileError } from '../system/files.js';
import type { StageContext } from './stage.js';

/**
 * Scores the text of each row of `silver_review` with VADER and leaves the compound value (-1 to 1)
 * in the engine's table `sentiment(review_id, compound)`. Some 6,000 reviews a second: it runs only
 * when the sentiment has a weight.
 */
export async function writeSentiment(
  engine: Engine,
  context: StageContext,
  scratch: string,
): Promise<void> {
  const { default: vader } = await import('vader-sentiment');
  const path = join(scratch, 'sentiment.csv');
  const output = createWriteStream(path);
  const closed = finished(output).catch((error: unknown) => {
    throw describeFileError(error, path);
  });
  // It may fail while the engine is at work; the next write or the end tells.
  closed.catch(() => undefined);
  let done = 0;
  try {
    for await (const rows of engine.batches<{ review_id: string; body: string }>(
      'SELECT review_id, body FROM silver_review',
    )) {
      const lines = rows.map(({ review_id, body }) => {
        const { compound } = vader.SentimentIntensityAnalyzer.polarity_scores(body);
        return `"${review_id.replaceAll('"', '""')}",${compound}\n`;
      });
      done += rows.length;
      context.report({ type: 'progress', task: 'model: sentiment', done, unit: 'rows' });
      if (!output.write(lines.join(''))) await Promise.race([once(output, 'drain'), closed]);
    }
  } finally {
    output.end();
    await closed;
  }
  await engine.run(
    `CREATE TABLE sentiment AS
     SELECT review_id, min(compound) AS compound
     FROM read_csv(${fileLiteral(path)}, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"',
       columns = {'review_id': 'VARCHAR', 'compound': 'DOUBLE'})
     GROUP BY review_id`,
  );
  await rm(path);
}

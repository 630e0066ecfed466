import { describe, expect, it } from 'vitest';
import { catalogue, loadAll } from '../../src/runbooks/index.js';
import { searchRunbooks } from '../../src/runbooks/search.js';

const runbooks = await loadAll(catalogue);

const first = (query: string, count = 1): string[] =>
  searchRunbooks(runbooks, query)
    .slice(0, count)
    .map(({ runbook }) => runbook.id);

describe('the search of runbooks', () => {
  it.each([
    ['no best review', 'gold-incomplete'],
    ['connection refused', 'database-connection'],
    ['the database is down', 'database-connection'],
    ['scores are null', 'gold-incomplete'],
    ['silver is empty', 'silver-missing'],
    ['table does not exist', 'relation-not-found'],
    ['somebody dropped the table', 'relation-not-found'],
    ['disk full', 'purge-batches'],
    ['old batches', 'purge-batches'],
    ['logs too big', 'purge-logs'],
    ['too many rejects', 'reject-rate'],
    ['killed: out of memory', 'join-out-of-memory'],
    ['site is slow in the evening', 'slow-at-peak'],
    ['wrong numbers in the dashboard', 'inconsistent-rows'],
    ['dead tuples', 'vacuum'],
    ['autovacuum', 'vacuum'],
    ['checksum mismatch', 'corrupt-batch'],
    ['forget me', 'erase-person'],
    ['the access key leaked', 'rotate-aws'],
    ['password is 100 days old', 'rotate-database'],
  ])('finds for "%s" %s', (query, expected) => {
    expect(first(query)).toEqual([expected]);
  });

  it.each([
    ['no bset reveiw', 'gold-incomplete'],
    ['conection refussed', 'database-connection'],
    ['vaccum', 'vacuum'],
    ['corupt bacth', 'corrupt-batch'],
    ['out of memroy', 'join-out-of-memory'],
  ])('takes "%s" for what was meant: %s', (query, expected) => {
    expect(first(query)).toEqual([expected]);
  });

  it.each([
    [
      'psql: error: connection to server at "db" (10.0.0.7), port 5432 failed: FATAL:  password authentication failed for user "app"',
      'database-connection',
    ],
    ['Error: connect ECONNREFUSED 127.0.0.1:5432\n    at TCPConnectWrap', 'database-connection'],
    ['getaddrinfo ENOTFOUND ep-cool-name.eu-central-1.aws.neon.tech', 'database-connection'],
    [
      'ERROR:  relation "amazon.fact_reviews" does not exist\nLINE 1: SELECT *',
      'relation-not-found',
    ],
    [
      'botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation: Access Denied',
      's3-errors',
    ],
    ['NoSuchBucket: The specified bucket does not exist', 's3-errors'],
    [
      'FileNotFoundError: [Errno 2] No such file or directory: batch=20260131_235959/review.parquet',
      'parquet-not-found',
    ],
    ['Traceback (most recent call last):\n  File "model.py"\nKeyError: \'rating\'', 'model-crash'],
    ['Binder Error: Referenced column "helpful" not found in FROM clause!', 'model-crash'],
    ['Out of Memory Error: failed to allocate data of size 16.0 MiB', 'join-out-of-memory'],
    [
      "Invalid Input Error: No magic bytes found at end of file 'gold/fact_reviews.parquet'",
      'corrupt-batch',
    ],
    ['ENOSPC: no space left on device, write', 'purge-batches'],
  ])('finds by a pasted error: %s', (query, expected) => {
    expect(first(query)).toEqual([expected]);
  });

  it('finds the runbook by each of its own symptoms among the first three', () => {
    for (const { id, symptoms } of runbooks) {
      for (const symptom of symptoms)
        expect([symptom, first(symptom, 3)]).toEqual([symptom, expect.arrayContaining([id])]);
    }
  });

  it('finds nothing where nothing fits, in a query of fillers, and in none', () => {
    for (const query of ['zzzqqq', 'what is it', '', '"; DROP TABLE x']) {
      expect(first(query, 1)).toEqual(query.includes('DROP') ? ['relation-not-found'] : []);
    }
  });
});

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { makeWorkshop, type Workshop } from './support.js';

const readRejects = (path: string | null) =>
  readFileSync(path ?? '', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .map(({ line, rule, reason }) => ({ line, rule, reason }));

describe('tables of our schema', () => {
  let workshop: Workshop;
  beforeAll(async () => {
    workshop = await makeWorkshop();
  });
  afterAll(() => workshop.remove());

  it('takes a directory, in whatever order its tables come', async () => {
    await mkdir(join(workshop.directory, 'export'));
    await workshop.write('export/buyer.csv', ',buyer_id\r\n0,c1\r\n1,c2\r\n2,ghost\r\n');
    await workshop.write(
      'export/customer.csv',
      'customer_id,first_name,email,created_at\nc1,None,,2020-01-01\nc2,"",a@example.com,2020-01-01 10:00:00+02\n',
    );
    await workshop.write(
      'export/orders.csv',
      'Unnamed: 0,order_id,buyer_id,total\n0,o1,c1,19.990000000000002\n1,o1,c1,19.990000000000002\n2,o2,ghost,1\n3,o1,c1,3\n',
    );
    await workshop.write('export/carrier.csv', 'carrier_id,name\n');
    await workshop.writeGzip(
      'export/product.csv.gz',
      'product_id,name,price,quantity\np1,Pan,1e2,5.0\np2,,12345678901234,1\np3,x,,-1\np4,x,abc,2.5\n',
    );
    const result = await workshop.import([join(workshop.directory, 'export')]);
    expect(result).toMatchObject({ format: 'tables', read: 13, loaded: 6, rejected: 6, folded: 1 });
    expect(Object.fromEntries(result.files.map((file) => [file.table, file]))).toMatchObject({
      buyer: { read: 3, loaded: 2, rejected: 1 },
      carrier: { read: 0 },
      customer: { read: 2, loaded: 2 },
      orders: { read: 4, loaded: 1, rejected: 2, folded: 1 },
      product: { read: 4, loaded: 1, rejected: 3 },
    });
    expect(
      await workshop.client.query(
        'SELECT customer_id, first_name, email, created_at FROM amazon.customer ORDER BY 1',
      ),
    ).toEqual([
      {
        customer_id: 'c1',
        first_name: 'None',
        email: null,
        created_at: new Date('2020-01-01T00:00:00Z'),
      },
      {
        customer_id: 'c2',
        first_name: '',
        email: 'a@example.com',
        created_at: new Date('2020-01-01T08:00:00Z'),
      },
    ]);
    expect(await workshop.client.query('SELECT order_id, total FROM amazon.orders')).toEqual([
      { order_id: 'o1', total: '19.99' },
    ]);
    expect(readRejects(result.rejectsFile)).toEqual([
      { line: 4, rule: 'foreign_key', reason: 'buyer_id = ghost is not in customer' },
      { line: 4, rule: 'foreign_key', reason: 'buyer_id = ghost is not in buyer' },
      {
        line: 5,
        rule: 'duplicate_key',
        reason: 'the key (order_id) = (o1) is on line 2 with other values',
      },
      {
        line: 3,
        rule: 'wrong_type',
        reason:
          'column "price" holds "12345678901234", which is not a number that fits numeric(12,2)',
      },
      {
        line: 4,
        rule: 'check',
        reason: 'breaks the CHECK product_quantity_check: (quantity >= 0)',
      },
      {
        line: 5,
        rule: 'wrong_type',
        reason: 'column "price" holds "abc", which is not a number that fits numeric(12,2)',
      },
    ]);
  });

  it('folds rows whose key is there, and leaves them as they are', async () => {
    const path = await workshop.write('customer.csv', 'customer_id,first_name\nc1,Other\nc3,New\n');
    const result = await workshop.import([path]);
    expect(result).toMatchObject({ read: 2, loaded: 1, folded: 1 });
    expect(
      await workshop.client.query(
        "SELECT first_name FROM amazon.customer WHERE customer_id = 'c1'",
      ),
    ).toEqual([{ first_name: 'None' }]);
  });

  it('goes by the header where the name says nothing', async () => {
    const path = await workshop.write(
      'dump-7.csv',
      'review_id,customer_id,body,rating\nr1,c1,x,5\nr2,,y,\n',
    );
    expect(await workshop.import([path])).toMatchObject({
      format: 'tables',
      loaded: 2,
      tables: [{ table: 'review', rows: 2 }],
    });
  });

  it('reads several files of one table, and says when their columns differ', async () => {
    const paths = [
      await workshop.write('c-1.csv', 'carrier_id,name\na,A\nb,B\n'),
      await workshop.write('c-2.csv', 'carrier_id,name\nb,B\nc,C\n'),
    ];
    expect(await workshop.import(paths)).toMatchObject({
      read: 4,
      loaded: 3,
      folded: 1,
      files: [{ loaded: 2 }, { loaded: 1, folded: 1 }],
    });
    const more = [
      await workshop.write('k-1.csv', 'customer_id,email\nk1,x\n'),
      await workshop.write('k-2.csv', 'customer_id,phone\nk2,y\n'),
    ];
    await mkdir(join(workshop.directory, 'differ'));
    await expect(workshop.import(more)).rejects.toMatchObject({
      code: 'TABLE_FILES_DIFFER',
      exitCode: 2,
    });
  });

  it('says which columns do not fit', async () => {
    const path = await workshop.write('review.csv', 'review_id,stars\nr9,5\n');
    await expect(workshop.import([path])).rejects.toMatchObject({
      code: 'FORMAT_UNKNOWN',
      message: expect.stringContaining('table "review" has no column stars'),
    });
    const short = await workshop.write('category.csv', 'category_id\nx\n');
    await expect(workshop.import([short], { format: 'tables' })).rejects.toMatchObject({
      code: 'FORMAT_MISFIT',
      message: expect.stringContaining('table "category" needs name'),
    });
  });
});

describe('tables of a schema of its own', () => {
  let workshop: Workshop;
  beforeAll(async () => {
    const config = configSchema.parse({ source: { schema: 'shop', managed: false } });
    workshop = await makeWorkshop({ config, emptyDatabase: true });
    await workshop.client.query(`
      CREATE SCHEMA shop;
      CREATE TABLE shop.customer (c_id varchar(6) PRIMARY KEY, fname varchar(10), phone char(10) UNIQUE, email text UNIQUE, boss varchar(6) REFERENCES shop.customer);
      CREATE TABLE shop.review (review_id int PRIMARY KEY, buyer_id varchar(6) NOT NULL REFERENCES shop.customer, rating int CHECK (rating BETWEEN 1 AND 5), flag char(1) CHECK (flag IN ('S', 'P')), ok boolean, day date, tags text[], upper text GENERATED ALWAYS AS (upper(buyer_id)) STORED);
      CREATE TABLE shop.log (note text, at timestamp);
    `);
  });
  afterAll(() => workshop.remove());

  it('lets the catalog say what a row must be', async () => {
    const customers = await workshop.write(
      'customer.csv',
      [
        'c_id,fname,phone,email,boss',
        'a,Ann,0123456789,a@x,',
        'b,Bo,0123456789,b@x,a',
        'c,Cy,,a@x,a',
        'd,Di,1123456789,,d',
        'e,Ed,,,zz',
        'f,Flo,,,e',
        'g,longer than ten,,,',
        'toolong,x,,,',
        ',nobody,,,',
      ].join('\n'),
    );
    const reviews = await workshop.write(
      'review.csv',
      [
        ',review_id,buyer_id,rating,flag,ok,day,tags',
        '0,1,a,5,S,True,2020-02-29,{x}',
        '1,2,a,6,S,,,',
        '2,3,a,1,X,,,',
        '3,4,b,1,P,,,',
        '4,five,a,1,P,,,',
        '5,6,a,1,P,maybe,,',
        '6,7,a,1,P,,2020-02-30,',
        '7,8,a,1,P,,,{broken',
        '8,9,d,3.0,P,f,,',
      ].join('\n'),
    );
    const result = await workshop.import([reviews, customers]);
    expect(result).toMatchObject({ read: 18, loaded: 4, rejected: 14, folded: 0 });
    const rules = readRejects(result.rejectsFile).map(({ line, rule }) => [line, rule]);
    expect(rules).toEqual([
      [3, 'check'],
      [4, 'check'],
      [5, 'foreign_key'],
      [6, 'wrong_type'],
      [7, 'wrong_type'],
      [8, 'wrong_type'],
      [9, 'wrong_type'],
      [3, 'unique'],
      [4, 'unique'],
      [6, 'foreign_key'],
      [7, 'foreign_key'],
      [8, 'too_long'],
      [9, 'too_long'],
      [10, 'value_missing'],
    ]);
    expect(
      await workshop.client.query(
        'SELECT review_id, rating, ok, tags, upper FROM shop.review ORDER BY 1',
      ),
    ).toEqual([
      { review_id: 1, rating: 5, ok: true, tags: ['x'], upper: 'A' },
      { review_id: 9, rating: 3, ok: false, tags: null, upper: 'D' },
    ]);
    const again = await workshop.import([reviews, customers]);
    expect(again).toMatchObject({ read: 18, loaded: 0, rejected: 14, folded: 4 });
  });

  it('rejects a key that no index can hold', async () => {
    const noise = randomBytes(6000).toString('base64');
    const path = await workshop.write('customer.csv', `c_id,email\nq,${noise}\nr,r@x\n`);
    const result = await workshop.import([path]);
    expect(result).toMatchObject({ read: 2, loaded: 1, rejected: 1 });
    expect(readRejects(result.rejectsFile)).toMatchObject([{ line: 2, rule: 'key_too_long' }]);
  });

  it('takes the whole row for the key of a table without one', async () => {
    const path = await workshop.write(
      'log.csv',
      'note,at\nx,2020-01-01 00:00:00\nx,2020-01-01 00:00:00\n,\ny,\n',
    );
    expect(await workshop.import([path])).toMatchObject({
      read: 4,
      loaded: 3,
      folded: 1,
    });
    expect(await workshop.import([path])).toMatchObject({
      read: 4,
      loaded: 0,
      folded: 4,
    });
  });

  it('offers no other format', async () => {
    const path = await workshop.write(
      'Reviews.csv',
      'ProductId,UserId,Score,Time,Summary,Text\nF1,FU,5,1303862400,Good,Yum\n',
    );
    await expect(workshop.import([path])).rejects.toMatchObject({
      code: 'FORMAT_NEEDS_MANAGED_SCHEMA',
    });
  });
});

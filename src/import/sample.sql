-- The generated sample: views sample_<table> over three tables of draws. Variables: seed, reviews,
-- products, customers, prefix. Only md5, integer arithmetic and divisions that are exact in IEEE 754
-- decide, so one seed gives the same rows on every machine.

-- 64 random bits of row i in stream k.
CREATE MACRO draw64(k, i) AS
  md5_number_lower(getvariable('seed') || '/' || getvariable('reviews') || '/' || k || '/' || i);

-- Piece 0 to 3 of 64 bits, as 0 to 65535; half 0 or 1, as 0 to 2^31 - 1.
CREATE MACRO piece(bits, place) AS CAST((bits >> (16 * place)) & 65535 AS BIGINT);
CREATE MACRO half(bits, place) AS CAST((bits >> (32 * place)) & 2147483647 AS BIGINT);
CREATE MACRO unit16(p) AS p / 65536.0::DOUBLE;
CREATE MACRO unit31(h) AS h / 2147483648.0::DOUBLE;
CREATE MACRO pick(options, p) AS options[1 + p % len(options)];
CREATE MACRO sample_id(kind, i) AS getvariable('prefix') || kind || i;

CREATE TABLE sample_categories AS
SELECT * FROM (VALUES
  (1, 'audio', 'Audio', 'headphones'), (2, 'bags', 'Bags & Luggage', 'backpack'), (3, 'beauty', 'Beauty', 'face cream'),
  (4, 'books', 'Books', 'book'), (5, 'coffee-tea', 'Coffee & Tea', 'kettle'), (6, 'computers', 'Computers', 'keyboard'),
  (7, 'cycling', 'Cycling', 'bike light'), (8, 'garden', 'Garden', 'hose'), (9, 'grocery', 'Grocery', 'granola'),
  (10, 'health', 'Health', 'thermometer'), (11, 'home-kitchen', 'Home & Kitchen', 'pan'), (12, 'lighting', 'Lighting', 'desk lamp'),
  (13, 'music', 'Musical Instruments', 'ukulele'), (14, 'office', 'Office', 'stapler'), (15, 'outdoor', 'Outdoor', 'tent'),
  (16, 'pets', 'Pet Supplies', 'dog bed'), (17, 'shoes', 'Shoes', 'trainers'), (18, 'tools', 'Tools', 'drill'),
  (19, 'toys', 'Toys & Games', 'puzzle'), (20, 'watches', 'Watches', 'watch')) AS t(place, id, name, noun);

CREATE TABLE sample_phrases AS
SELECT [
  'The {} does exactly what I hoped it would.', 'Setting up the {} took less than five minutes.',
  'I have used it every day for a month and it still looks new.', 'The quality is far better than the price suggests.',
  'My whole family has started to borrow it.', 'It arrived a day early and well packed.',
  'This is the second {} I have bought here, and it will not be the last.', 'Every detail feels thought through.',
  'It is light, sturdy and pleasant to hold.', 'I compared six models before I chose this one, and I am glad I did.',
  'Even after a fall from the table it works without a scratch.', 'The instructions are short and clear.',
  'I gave one to my sister and she called to thank me twice.', 'For the money you will not find a better {}.',
  'The colour is just as warm as in the pictures.', 'Customer service answered my question within the hour.',
  'It replaced one that cost three times as much.', 'Nothing rattles, nothing wobbles, nothing squeaks.',
  'I was sceptical at first; now I recommend the {} to everybody.', 'It saves me a quarter of an hour every morning.',
  'The size is perfect for a small flat.', 'It keeps its promise, which is rare enough.', 'I would buy the same {} again without a second thought.'
] AS good, [
  'The {} is fine, no more and no less.', 'It works, but the finish could be better.', 'Delivery was quick; the box had a dent.',
  'For occasional use it is good enough.', 'The manual leaves some questions open.', 'I expected a little more for this price.',
  'It is smaller than it looks in the pictures.', 'After two weeks I have grown used to its quirks.', 'Some parts feel solid, others rather cheap.',
  'My old {} was louder, but it lasted ten years.', 'It does the job if you are patient.', 'The colour differs slightly from the photo.',
  'Half of the functions I will never need.', 'I may keep it, I have not decided yet.', 'It is neither a bargain nor a waste.',
  'There are better ones, and there are worse ones.', 'With a better cable the {} would earn another star.'
] AS middling, [
  'The {} broke after nine days.', 'It arrived with a crack right across the front.', 'Nothing about it matches the description.',
  'I asked for a refund and never heard back.', 'The smell of plastic filled the room for a week.', 'It stopped working the moment the return period ended.',
  'Two screws were missing and a third did not fit.', 'My neighbour had warned me about this {}, and she was right.',
  'It makes a noise like a lawn mower.', 'The seams came apart on the first day.', 'I regret that I threw the box away.',
  'Whoever wrote the instructions has never seen the product.', 'It is the worst {} I have ever owned.', 'The battery is empty before I have left the house.',
  'It wobbles however I turn it.', 'I paid for a new one and got one that somebody had used.', 'Do not let the pictures fool you.',
  'The replacement had the very same fault.', 'I would give no star at all if I could.', 'It leaves marks on everything it touches.',
  'After an hour it was too hot to hold.', 'Support told me to wait, and I am still waiting.', 'Save your money and buy another {}.'
] AS bad;

-- A product's popularity falls with its number; what else it is comes from its own draw.
CREATE TABLE sample_products AS
SELECT i, bits, piece(bits, 0) AS a, piece(bits, 1) AS b, piece(bits, 2) AS c, piece(bits, 3) AS d,
  -- The square makes some categories large and others small.
  1 + CAST(floor(20 * unit16(piece(bits, 0)) * unit16(piece(bits, 0))) AS INTEGER) AS category
FROM (SELECT range AS i, draw64('product', range) AS bits FROM range(getvariable('products')));

CREATE TABLE sample_reviews AS
SELECT i, product, customer, a, b, c, d, e, f, g, h, p, q,
  CASE WHEN e < 38011 THEN 5 WHEN e < 49152 THEN 4 WHEN e < 54395 THEN 3 WHEN e < 57672 THEN 2 ELSE 1 END AS mood,
  a < 26214 AS ordered,
  CASE WHEN b >= 9830 THEN 0
       WHEN b % 100 = 0 THEN 12 + c % 25
       WHEN b % 5 = 0 THEN 2 + c % 4 ELSE 1 END AS images,
  -- Five years up to 2025-06-30, the later part busier.
  make_timestamptz(2025, 6, 30, 0, 0, 0, 'UTC') - to_seconds(CAST(floor(157766400 * unit31(half(when_bits, 0)) * unit31(half(when_bits, 0))) AS BIGINT)) AS written
FROM (
  SELECT range AS i,
    least(CAST(floor(getvariable('products') * unit31(half(who, 0)) * unit31(half(who, 0)) * unit31(half(who, 0))) AS BIGINT), getvariable('products') - 1) AS product,
    least(CAST(floor(getvariable('customers') * unit31(half(who, 1)) * unit31(half(who, 1))) AS BIGINT), getvariable('customers') - 1) AS customer,
    piece(x, 0) AS a, piece(x, 1) AS b, piece(x, 2) AS c, piece(x, 3) AS d,
    piece(y, 0) AS e, piece(y, 1) AS f, piece(y, 2) AS g, piece(y, 3) AS h,
    piece(when_bits, 2) AS p, piece(z, 0) AS q, when_bits
  FROM (
    SELECT range, draw64('who', range) AS who, draw64('x', range) AS x, draw64('y', range) AS y,
      draw64('z', range) AS z, draw64('when', range) AS when_bits
    FROM range(getvariable('reviews'))));

CREATE VIEW sample_category AS
SELECT id AS category_id, name, 'Everything around ' || lower(name) || '.' AS description FROM sample_categories;

CREATE VIEW sample_carrier AS
SELECT * FROM (VALUES ('swift-parcel', 'Swift Parcel'), ('green-van', 'Green Van'), ('northern-post', 'Northern Post'),
  ('city-courier', 'City Courier'), ('blue-freight', 'Blue Freight')) AS t(carrier_id, name);

CREATE VIEW sample_customer AS
SELECT sample_id('c', i) AS customer_id, first_name, last_name,
  lower(first_name) || '.' || lower(last_name) || i || '@example.com' AS email,
  '+1-555-' || lpad(CAST(piece(bits, 2) AS VARCHAR), 5, '0') AS phone,
  make_timestamptz(2020, 6, 30, 0, 0, 0, 'UTC') - to_seconds(half(bits, 1) % 157766400) AS created_at
FROM (
  SELECT i, bits,
    pick(['Ada', 'Ben', 'Chloe', 'David', 'Elif', 'Farid', 'Grace', 'Hana', 'Ivan', 'Julia', 'Kofi', 'Lena', 'Marc', 'Nora', 'Omar', 'Priya', 'Quentin', 'Rosa', 'Sam', 'Tariq', 'Ursula', 'Viktor', 'Wanda'], piece(bits, 0)) AS first_name,
    pick(['Almeida', 'Baker', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia', 'Haddad', 'Ito', 'Jansen', 'Kowalski', 'Lopez', 'Moreau', 'Novak', 'Okafor', 'Patel', 'Rossi', 'Silva', 'Tanaka', 'Weber'], piece(bits, 1)) AS last_name
  FROM (SELECT range AS i, draw64('customer', range) AS bits FROM range(getvariable('customers'))));

CREATE VIEW sample_buyer AS
SELECT DISTINCT sample_id('c', customer) AS buyer_id FROM sample_reviews WHERE ordered;

CREATE VIEW sample_product AS
SELECT sample_id('p', i) AS product_id,
  CASE WHEN b % 200 = 0 THEN NULL
       ELSE pick(['Compact', 'Classic', 'Everyday', 'Foldable', 'Premium', 'Silent', 'Sturdy', 'Travel', 'Ultra', 'Wireless', 'Junior'], b) || ' ' || k.noun || ' ' || pick(['One', 'Plus', 'Mini', 'Max', 'Air', 'Go', 'Pro'], c) || ' ' || (100 + d % 900) END AS name,
  CASE WHEN c % 50 = 0 THEN '' ELSE 'A ' || k.noun || ' for ' || pick(['every day', 'the weekend', 'small flats', 'demanding users', 'beginners', 'a lifetime'], d) || '.' END AS description,
  CAST((499 + (b * 31 + c) % 29501) / 100 AS DECIMAL(12, 2)) AS price,
  d % 500 AS quantity,
  CASE WHEN d % 50 = 0 THEN NULL ELSE k.id END AS category_id
FROM sample_products JOIN sample_categories AS k ON k.place = category;

CREATE VIEW sample_product_images AS
SELECT sample_id('p', i) AS product_id,
  'https://images.example.com/products/' || sample_id('p', i) || '/' || unnest(range(1, 2 + c % 3)) || '.jpg' AS image_url
FROM sample_products;

CREATE VIEW sample_review AS
SELECT sample_id('r', i) AS review_id, sample_id('c', customer) AS customer_id,
  CASE WHEN q % 100 = 0 THEN 'None' WHEN q % 100 = 1 THEN 'NA' WHEN q % 100 = 2 THEN NULL ELSE title END AS title,
  -- One in a hundred is blank.
  CASE WHEN q % 200 = 7 THEN '' WHEN q % 200 = 8 THEN '   '
       WHEN q % 12 = 3 THEN replace(text, '. ', '.' || chr(10)) WHEN q % 33 = 4 THEN text || ' 👍🏽' WHEN q % 33 = 5 THEN text || ' They call it "the best", I call it "' || noun || '".'
       ELSE text END AS body,
  CASE WHEN p % 200 = 0 THEN NULL WHEN p % 400 = 1 THEN 0 WHEN p % 400 = 2 THEN 6 ELSE mood END AS rating,
  CASE WHEN p % 100 = 3 THEN NULL WHEN ordered THEN f >= 3277 ELSE f < 29491 END AS verified_purchase,
  CASE WHEN d < 39322 THEN 0 ELSE CAST(floor(0.9 / (unit16(g) + 0.0018)) AS INTEGER) END AS helpful_votes,
  written AS created_at
FROM (
  SELECT r.*, k.noun,
    replace(array_to_string(list_transform(range(sentences), lambda j: phrases[1 + (h + j * (1 + g % (len(phrases) - 1))) % len(phrases)]), ' '), '{}', k.noun) AS text,
    CASE WHEN mood >= 4 THEN pick(['Five stars', 'Love it', 'Exactly right', 'Great ' || k.noun, 'Highly recommended', 'A joy', 'Better than expected'], h)
         WHEN mood = 3 THEN pick(['It is okay', 'Average', 'Does the job', 'Mixed feelings', 'So-so ' || k.noun], h)
         ELSE pick(['Disappointed', 'Broke at once', 'Not as described', 'Avoid this ' || k.noun, 'Waste of money'], h) END AS title
  FROM (
    SELECT s.*, CASE WHEN mood >= 4 THEN good WHEN mood = 3 THEN middling ELSE bad END AS phrases,
      -- A product of three: many short ones, few long ones.
      1 + CAST(floor(36 * unit16(f) * unit16(g) * unit16(c)) AS INTEGER) AS sentences
    FROM sample_reviews AS s, sample_phrases) AS r
  JOIN sample_products AS o ON o.i = r.product
  JOIN sample_categories AS k ON k.place = o.category);

CREATE VIEW sample_product_reviews AS
SELECT sample_id('p', product) AS product_id, sample_id('r', i) AS review_id FROM sample_reviews;

CREATE VIEW sample_review_images AS
SELECT sample_id('r', i) AS review_id,
  'https://images.example.com/reviews/' || sample_id('r', i) || '/' || unnest(range(1, images + 1)) || '.jpg' AS image_url
FROM sample_reviews WHERE images > 0;

-- Who reviewed after an order; one row in five hundred comes twice.
CREATE VIEW sample_orders AS
SELECT sample_id('o', r.i) AS order_id, sample_id('c', customer) AS buyer_id,
  pick(['swift-parcel', 'green-van', 'northern-post', 'city-courier', 'blue-freight'], r.d) AS carrier_id,
  CASE WHEN r.f % 40 = 0 THEN 'returned' ELSE 'delivered' END AS status,
  CAST((1 + r.g % 3) * (499 + (o.b * 31 + o.c) % 29501) / 100 AS DECIMAL(12, 2)) AS total,
  written - to_days(CAST(3 + r.h % 28 AS INTEGER)) AS ordered_at
FROM (SELECT * FROM sample_reviews WHERE ordered
      UNION ALL SELECT * FROM sample_reviews WHERE ordered AND h % 500 = 0) AS r
JOIN sample_products AS o ON o.i = r.product;

CREATE VIEW sample_order_items AS
SELECT sample_id('o', r.i) AS order_id, sample_id('p', product) AS product_id, 1 + r.g % 3 AS quantity,
  CAST((499 + (o.b * 31 + o.c) % 29501) / 100 AS DECIMAL(12, 2)) AS unit_price
FROM sample_reviews AS r JOIN sample_products AS o ON o.i = r.product WHERE ordered;

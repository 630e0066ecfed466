-- The marketplace schema that the system grew on, with a little data that has its quirks.
CREATE SCHEMA amazon;
SET search_path = amazon;

CREATE TABLE customer (
  c_id varchar(40) PRIMARY KEY,
  fname varchar(60),
  lname varchar(60),
  phone char(10) UNIQUE,
  email varchar(100) UNIQUE,
  pwd varchar(100)
);
CREATE TABLE buyer (buyer_id varchar(40) PRIMARY KEY REFERENCES customer (c_id));
CREATE TABLE seller (
  seller_id varchar(40) PRIMARY KEY REFERENCES customer (c_id),
  seller_type varchar(20)
);
CREATE TABLE category (category_id char(8) PRIMARY KEY, name varchar(100), c_desc varchar(500));
CREATE TABLE product (
  p_id varchar(10) PRIMARY KEY,
  p_name varchar(500),
  p_desc varchar(5000),
  price numeric,
  qty integer CHECK (qty >= 0),
  category_id char(8) REFERENCES category
);
CREATE TABLE product_images (
  p_id varchar(10) REFERENCES product,
  p_image varchar(500),
  PRIMARY KEY (p_id, p_image)
);
CREATE TABLE review (
  review_id integer PRIMARY KEY,
  buyer_id varchar(40) REFERENCES buyer,
  r_desc varchar(20000),
  title varchar(300),
  rating integer CHECK (rating BETWEEN 1 AND 5),
  seller_product_flag char(1) CHECK (seller_product_flag IN ('S', 'P'))
);
CREATE TABLE review_images (
  review_id integer REFERENCES review,
  review_img varchar(500),
  PRIMARY KEY (review_id, review_img)
);
CREATE TABLE product_reviews (
  p_id varchar(10) REFERENCES product,
  review_id integer REFERENCES review,
  PRIMARY KEY (p_id, review_id)
);
CREATE TABLE seller_reviews (
  seller_id varchar(40) REFERENCES seller,
  review_id integer REFERENCES review,
  PRIMARY KEY (seller_id, review_id)
);
CREATE TABLE orders (
  order_id varchar(40) PRIMARY KEY,
  buyer_id varchar(40) REFERENCES buyer,
  discount_id varchar(40),
  payment_id varchar(40),
  order_date date
);
-- Exports of it held this table with a header and no rows.
CREATE TABLE carrier (carrier_id varchar(40) PRIMARY KEY, carrier_name varchar(100));
CREATE TABLE cart (cart_id varchar(40) PRIMARY KEY, buyer_id varchar(40) REFERENCES buyer);

INSERT INTO customer
SELECT 'CUST' || lpad(i::text, 6, '0'), CASE WHEN i % 9 = 0 THEN 'None' ELSE 'First' || i END,
       CASE WHEN i % 11 = 0 THEN 'NA' ELSE 'Last' || i END, lpad(i::text, 9, '0'),
       'customer' || i || '@example.test', 'secret-' || i
FROM generate_series(1, 60) AS i;
-- Some ids are eight characters longer than the rest.
INSERT INTO customer VALUES ('CUST000061-LONGER1', 'NULL', '', NULL, NULL, 'secret-61');
INSERT INTO buyer SELECT c_id FROM customer WHERE c_id <> 'CUST000060';
INSERT INTO seller VALUES ('CUST000060', 'individual');

INSERT INTO category VALUES ('BEAUTY', 'Beauty', ''), ('TOYS', 'Toys', NULL);
INSERT INTO product
SELECT 'B' || lpad(i::text, 9, '0'), CASE WHEN i % 10 = 0 THEN '' ELSE 'Product ' || i END,
       CASE WHEN i % 4 = 0 THEN 'NA' END, (i * 1.1)::double precision::text::numeric, i,
       CASE i % 3 WHEN 0 THEN 'BEAUTY' WHEN 1 THEN 'TOYS' END
FROM generate_series(1, 30) AS i;
-- The noise of prices that went through a float.
UPDATE product SET price = 19.989999999999998 WHERE p_id = 'B000000007';

INSERT INTO review
SELECT i, 'CUST' || lpad((i % 59 + 1)::text, 6, '0'),
       CASE WHEN i % 50 = 0 THEN '' WHEN i % 51 = 0 THEN '   '
            ELSE repeat('It does what it says. ', i % 30 + 1) || E'\nEnd, "really".' END,
       CASE WHEN i % 13 = 0 THEN 'None' ELSE 'Title ' || i END,
       i % 5 + 1, CASE WHEN i % 40 = 0 THEN 'S' ELSE 'P' END
FROM generate_series(1, 300) AS i;
UPDATE review SET rating = NULL WHERE review_id % 70 = 0;
UPDATE review SET buyer_id = 'CUST000061-LONGER1' WHERE review_id = 299;
INSERT INTO product_reviews
SELECT 'B' || lpad((review_id % 30 + 1)::text, 9, '0'), review_id
FROM review WHERE seller_product_flag = 'P';
INSERT INTO seller_reviews SELECT 'CUST000060', review_id FROM review WHERE seller_product_flag = 'S';
-- One photo in many sizes.
INSERT INTO review_images
SELECT 7, 'https://images.example.test/7._SL' || size || '_.jpg' FROM generate_series(1, 408) AS size;
INSERT INTO review_images VALUES (8, 'https://images.example.test/8.jpg');
INSERT INTO orders
SELECT 'O' || i, 'CUST' || lpad(i::text, 6, '0'), NULL, NULL, NULL FROM generate_series(1, 20) AS i;
RESET search_path;

-- The business tables, in the schema of source.schema. :"schema" is replaced when this runs.
CREATE SCHEMA IF NOT EXISTS :"schema";

CREATE TABLE :"schema".customer (
  customer_id text PRIMARY KEY,
  first_name text,
  last_name text,
  email text,
  phone text,
  created_at timestamptz
);
CREATE INDEX customer_email ON :"schema".customer (email);

CREATE TABLE :"schema".buyer (
  buyer_id text PRIMARY KEY REFERENCES :"schema".customer
);

CREATE TABLE :"schema".category (
  category_id text PRIMARY KEY,
  name text NOT NULL,
  description text
);

CREATE TABLE :"schema".product (
  product_id text PRIMARY KEY,
  name text,
  description text,
  price numeric(12, 2),
  quantity integer CHECK (quantity >= 0),
  category_id text REFERENCES :"schema".category
);
CREATE INDEX product_category ON :"schema".product (category_id);

CREATE TABLE :"schema".product_images (
  product_id text REFERENCES :"schema".product,
  image_url text,
  PRIMARY KEY (product_id, image_url)
);

-- What a rating or a date may be is judged by the pipeline, which keeps what it rejects.
CREATE TABLE :"schema".review (
  review_id text PRIMARY KEY,
  customer_id text REFERENCES :"schema".customer,
  title text,
  body text,
  rating smallint,
  verified_purchase boolean,
  helpful_votes integer CHECK (helpful_votes >= 0),
  created_at timestamptz
);
CREATE INDEX review_customer ON :"schema".review (customer_id);

CREATE TABLE :"schema".review_images (
  review_id text REFERENCES :"schema".review ON DELETE CASCADE,
  image_url text,
  PRIMARY KEY (review_id, image_url)
);

CREATE TABLE :"schema".product_reviews (
  product_id text REFERENCES :"schema".product,
  review_id text REFERENCES :"schema".review ON DELETE CASCADE,
  PRIMARY KEY (product_id, review_id)
);
CREATE INDEX product_reviews_review ON :"schema".product_reviews (review_id);

CREATE TABLE :"schema".carrier (
  carrier_id text PRIMARY KEY,
  name text NOT NULL
);

CREATE TABLE :"schema".orders (
  order_id text PRIMARY KEY,
  buyer_id text REFERENCES :"schema".buyer,
  carrier_id text REFERENCES :"schema".carrier,
  status text,
  total numeric(12, 2),
  ordered_at timestamptz
);
CREATE INDEX orders_buyer ON :"schema".orders (buyer_id);

CREATE TABLE :"schema".order_items (
  order_id text REFERENCES :"schema".orders ON DELETE CASCADE,
  product_id text REFERENCES :"schema".product,
  quantity integer,
  unit_price numeric(12, 2),
  PRIMARY KEY (order_id, product_id)
);

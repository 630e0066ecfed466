-- What the gold layer is loaded to, in serving.schema as serving.table. :"schema" and :"table" are
-- replaced when this runs. A load attaches one partition and drops the one it replaces.
CREATE SCHEMA IF NOT EXISTS :"schema";

CREATE TABLE :"schema".:"table" (
  review_id text NOT NULL,
  product_id text NOT NULL,
  customer_id text,
  product_name text,
  category text NOT NULL,
  title text,
  body text NOT NULL,
  rating smallint NOT NULL,
  text_length integer NOT NULL,
  has_image boolean NOT NULL,
  image_url text,
  verified_purchase boolean NOT NULL,
  helpful_votes integer NOT NULL,
  order_count integer NOT NULL,
  reviewed_at timestamptz,
  score double precision NOT NULL,
  is_relevant boolean NOT NULL,
  score_length double precision,
  score_image double precision,
  score_verified double precision,
  score_extremity double precision,
  score_freshness double precision,
  score_votes double precision,
  score_buyer double precision,
  score_sentiment double precision,
  batch_id text NOT NULL,
  ingested_at timestamptz NOT NULL,
  pipeline_version text NOT NULL,
  PRIMARY KEY (review_id, product_id, batch_id)
) PARTITION BY LIST (batch_id);
CREATE INDEX ON :"schema".:"table" (product_id, score DESC, review_id);
CREATE INDEX ON :"schema".:"table" (customer_id);

-- The best review comes from the index on (product_id, score, review_id) alone, without a sort.
CREATE MATERIALIZED VIEW :"schema".product_summary AS
SELECT
  summary.product_id,
  summary.product_name,
  summary.category,
  summary.reviews,
  summary.average_rating,
  best.review_id AS best_review_id,
  best.score AS best_score
FROM (
  SELECT
    product_id,
    max(product_name) AS product_name,
    max(category) AS category,
    count(*) AS reviews,
    avg(rating)::double precision AS average_rating
  FROM :"schema".:"table"
  GROUP BY product_id
) AS summary
JOIN (
  SELECT DISTINCT ON (product_id) product_id, review_id, score
  FROM :"schema".:"table"
  ORDER BY product_id, score DESC, review_id
) AS best USING (product_id);
-- Needed to refresh it while it is read.
CREATE UNIQUE INDEX product_summary_product ON :"schema".product_summary (product_id);

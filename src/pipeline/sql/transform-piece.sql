-- Bronze to silver, one piece of the reviews: judge, clean, join. harmonise.ts declares piece_review over
-- some of their files. What belongs to these is picked out of the other tables first: a join with all of
-- those would not fit in memory, and then goes to disk with every column of the reviews, texts included.
CREATE OR REPLACE TABLE piece_link AS
SELECT {{distinct_links}} review_id, product_id FROM source_review_product
WHERE review_id IN (SELECT review_id FROM piece_review) AND product_id IS NOT NULL;

CREATE OR REPLACE TABLE piece_image AS
SELECT review_id, min(image_url) FILTER (WHERE strip(image_url) <> '') AS image_url
FROM source_review_image
WHERE review_id IN (SELECT review_id FROM piece_review)
GROUP BY review_id;

CREATE OR REPLACE TABLE piece_buyer AS
SELECT
  author.customer_id,
  pseudonym(author.customer_id) AS buyer_id,
  customer.created_at AS buyer_since,
  coalesce(order_counts.order_count, 0) AS order_count
FROM (SELECT DISTINCT customer_id FROM piece_review WHERE customer_id IS NOT NULL) AS author
LEFT JOIN source_customer AS customer ON author.customer_id = customer.customer_id
LEFT JOIN order_counts ON author.customer_id = order_counts.customer_id;

-- The rules, in the order in which they are applied; a row is rejected by the first it breaks.
CREATE OR REPLACE VIEW judged AS
SELECT
  review.*,
  CASE
    WHEN repeated.source_row IS NOT NULL THEN 'duplicate_review_id'
    WHEN review.review_id IS NULL THEN 'review_id_missing'
    WHEN NOT fits_index(review.review_id) OR NOT fits_index(coalesce(review.customer_id, ''))
      OR long_link.review_id IS NOT NULL
      THEN 'id_too_long'
    WHEN review.rating IS NULL THEN 'rating_missing'
    WHEN review.rating < 1 OR review.rating > 5 OR review.rating <> floor(review.rating)
      OR review.unread_rating IS NOT NULL
      THEN 'rating_out_of_range'
    WHEN is_blank(review.body) THEN 'body_blank'
    WHEN review.unread_verified_purchase IS NOT NULL THEN 'verified_purchase_invalid'
    WHEN review.unread_helpful_votes IS NOT NULL THEN 'helpful_votes_invalid'
    WHEN review.unread_created_at IS NOT NULL THEN 'created_at_invalid'
  END AS rule
FROM piece_review AS review
LEFT JOIN repeated
  ON review.source_file = repeated.source_file AND review.source_row = repeated.source_row
LEFT JOIN long_link ON review.review_id = long_link.review_id;

CREATE OR REPLACE VIEW silver_review AS
SELECT
  review_id,
  product_id,
  buyer_id,
  product_name,
  category,
  CASE WHEN NOT is_placeholder(title) THEN title END AS title,
  body,
  rating,
  length(body) AS text_length,
  image_url IS NOT NULL AS has_image,
  image_url,
  verified_purchase,
  helpful_votes,
  order_count,
  buyer_since,
  reviewed_at
FROM (
  SELECT
    review.review_id,
    link.product_id,
    buyer.buyer_id,
    product.product_name,
    coalesce(product.category, 'Unknown') AS category,
    clean_text(review.title) AS title,
    clean_text(review.body) AS body,
    CAST(review.rating AS SMALLINT) AS rating,
    image.image_url,
    -- A source without the flag says nothing; an order by the same buyer stands in for it.
    coalesce(review.verified_purchase, coalesce(buyer.order_count, 0) > 0) AS verified_purchase,
    coalesce(review.helpful_votes, 0) AS helpful_votes,
    CAST(coalesce(buyer.order_count, 0) AS INTEGER) AS order_count,
    buyer.buyer_since,
    review.created_at AS reviewed_at
  FROM judged AS review
  INNER JOIN piece_link AS link ON review.review_id = link.review_id
  LEFT JOIN product_profile AS product ON link.product_id = product.product_id
  LEFT JOIN piece_buyer AS buyer ON review.customer_id = buyer.customer_id
  LEFT JOIN piece_image AS image ON review.review_id = image.review_id
  WHERE review.rule IS NULL
) AS joined;

CREATE OR REPLACE VIEW silver_rejected AS
SELECT
  review_id,
  rule AS reason,
  CASE rule
    WHEN 'duplicate_review_id' THEN 'An earlier row has the same review_id.'
    WHEN 'review_id_missing' THEN 'review_id is null.'
    WHEN 'id_too_long' THEN 'An id of review, customer or product is longer than 1300 bytes, more than indexes hold.'
    WHEN 'rating_missing' THEN 'The rating is null or not a number.'
    WHEN 'rating_out_of_range' THEN 'The rating is not a whole number from 1 to 5.'
    WHEN 'body_blank' THEN 'The text is empty once markup and white space are removed.'
    WHEN 'verified_purchase_invalid' THEN 'verified_purchase is neither yes nor no.'
    WHEN 'helpful_votes_invalid' THEN 'helpful_votes is not a whole number, or too large.'
    WHEN 'created_at_invalid' THEN 'created_at is not a time, or beyond the year 294246.'
    WHEN 'product_unknown' THEN 'The review is linked to no product.'
  END AS error_details,
  CAST({{rejected_at}} AS TIMESTAMP WITH TIME ZONE) AS rejected_at,
  original_data
FROM (
  SELECT review_id, coalesce(rule, 'product_unknown') AS rule, {{original_data}} AS original_data
  FROM judged
  WHERE rule IS NOT NULL
    OR review_id NOT IN (SELECT review_id FROM piece_link)
) AS rejects;

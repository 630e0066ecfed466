-- Silver to gold: each component of the relevance score is a value from 0 to 1; the score is
-- their weighted sum, times 100. Settings come in between double braces.
CREATE VIEW components AS
SELECT
  review.*,
  exp(-0.5 * power((text_length - {{length_mean}}) / {{length_deviation}}, 2)) AS score_length,
  CASE WHEN has_image THEN 1e0 ELSE 0e0 END AS score_image,
  CASE WHEN verified_purchase THEN 1e0 ELSE 0e0 END AS score_verified,
  CASE WHEN rating IN (1, 5) THEN 1e0 ELSE 0e0 END AS score_extremity,
  CASE
    WHEN reviewed_at IS NULL THEN 0.0
    ELSE power(0.5, days_between(reviewed_at, {{as_of}}) / {{freshness_half_life_days}})
  END AS score_freshness,
  least(1.0, ln(1.0 + greatest(helpful_votes, 0)) / ln(1.0 + {{votes_for_full_marks}})) AS score_votes,
  0.5 * least(1.0, ln(1.0 + order_count) / ln(1.0 + {{orders_for_full_marks}}))
    + 0.5 * CASE
      WHEN buyer_since IS NULL THEN 0.0
      ELSE least(1.0, days_between(buyer_since, {{as_of}}) / {{account_days_for_full_marks}})
    END AS score_buyer,
  {{sentiment}} AS score_sentiment
FROM silver_review AS review
{{sentiment_join}};

CREATE VIEW scored AS
SELECT
  components.*,
  100.0 * (
    {{weight_length}} * score_length
    + {{weight_image}} * score_image
    + {{weight_verified}} * score_verified
    + {{weight_extremity}} * score_extremity
    + {{weight_freshness}} * score_freshness
    + {{weight_votes}} * score_votes
    + {{weight_buyer}} * score_buyer
    + {{weight_sentiment}} * coalesce(score_sentiment, 0.0)
  ) AS score
FROM components;

CREATE VIEW fact_reviews AS
SELECT
  review_id,
  product_id,
  buyer_id,
  product_name,
  category,
  title,
  body,
  rating,
  CAST(text_length AS INTEGER) AS text_length,
  has_image,
  image_url,
  verified_purchase,
  CAST(helpful_votes AS INTEGER) AS helpful_votes,
  order_count,
  reviewed_at,
  score,
  score >= {{relevant_from}} AS is_relevant,
  score_length,
  score_image,
  score_verified,
  score_extremity,
  score_freshness,
  score_votes,
  score_buyer,
  score_sentiment,
  {{batch_id}} AS batch_id,
  CAST({{ingested_at}} AS TIMESTAMP WITH TIME ZONE) AS ingested_at,
  {{pipeline_version}} AS pipeline_version
FROM scored;

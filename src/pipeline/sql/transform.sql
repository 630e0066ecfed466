-- Bronze to silver, what concerns the batch as a whole. Reads the source_* views that harmonise.ts
-- declares. Whatever holds as many rows as there are reviews holds ids alone: it may not fit in memory.

-- Which reviews come a second time: the first in file order is kept.
CREATE TABLE repeated AS
SELECT source_file, source_row
FROM (
  SELECT
    source_file,
    source_row,
    row_number() OVER (PARTITION BY review_id ORDER BY source_file, source_row) AS occurrence
  FROM source_review
  WHERE review_id IN (
    SELECT review_id FROM source_review GROUP BY review_id HAVING count(*) > 1
  )
) AS occurrences
WHERE occurrence > 1;

-- Nearly always of no row.
CREATE TABLE long_link AS
SELECT DISTINCT review_id FROM source_review_product
WHERE review_id IS NOT NULL AND NOT fits_index(product_id);

CREATE TABLE product_profile AS
SELECT
  product_id,
  CASE WHEN NOT is_placeholder(product_name) THEN product_name END AS product_name,
  CASE WHEN NOT is_placeholder(category) THEN category ELSE 'Unknown' END AS category
FROM (
  SELECT
    product.product_id,
    clean_text(product.name) AS product_name,
    clean_text(category.name) AS category
  FROM source_product AS product
  LEFT JOIN source_category AS category ON product.category_id = category.category_id
) AS cleaned;

CREATE TABLE order_counts AS
SELECT customer_id, count(DISTINCT order_id) AS order_count
FROM source_order
WHERE customer_id IS NOT NULL
GROUP BY customer_id;

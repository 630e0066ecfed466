-- What the stages' SQL needs and the engines spell differently. A second engine brings its own
-- file with the same names; transform.sql and model.sql stay as they are.

-- HMAC-SHA-256 of a text, as 32 hex digits. The two pads derive from the secret key and live in
-- session variables, so that no statement text holds them.
CREATE OR REPLACE MACRO pseudonym(value) AS
  left(
    sha256(getvariable('pseudonym_outer') || unhex(sha256(getvariable('pseudonym_inner') || encode(value)))),
    32
  );

CREATE OR REPLACE MACRO has_text(value, part) AS contains(value, part);

-- Macros are expanded, not called: each mention of a parameter repeats its whole expression. The
-- steps of clean_text therefore mention theirs once, and only texts that need a step take any.
-- Holds for some texts without a control character, too. JSON has to escape these, and finding out
-- takes a quarter of the time of a regular expression.
CREATE OR REPLACE MACRO may_have_control(value) AS
  contains(CAST(to_json(value) AS VARCHAR), '\u00')
  OR contains(value, chr(8)) OR contains(value, chr(12)) OR contains(value, chr(127));

CREATE OR REPLACE MACRO has_outer_space(value) AS
  value = ''
  OR ascii(value) <= 32 OR ascii(value) IN (160, 65279)
  OR ends_with(value, ' ') OR ends_with(value, chr(10)) OR ends_with(value, chr(9))
  OR ends_with(value, chr(13)) OR ends_with(value, chr(160)) OR ends_with(value, chr(65279));

CREATE OR REPLACE MACRO needs_cleaning(value) AS
  has_text(value, '<') OR has_text(value, '&') OR has_text(value, '[[')
  OR has_outer_space(value) OR may_have_control(value);

-- White space, no-break spaces and byte order marks included, at both ends.
CREATE OR REPLACE MACRO strip(value) AS
  trim(value, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(65279));

-- Tags first, entities after: what an author wrote as &lt;b&gt; is text and stays.
CREATE OR REPLACE MACRO without_markup(value) AS
  regexp_replace(
    regexp_replace(
      regexp_replace(value, '\[\[(VIDEOID|ASIN):[^\]]*\]\]', '', 'g'),
      '<br\s*/?>', chr(10), 'gi'),
    '</?[a-zA-Z!][^<>]*>', '', 'g');

CREATE OR REPLACE MACRO without_entities(value) AS
  replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(value,
    '&nbsp;', ' '), '&#160;', ' '), '&#34;', '"'), '&quot;', '"'),
    '&#39;', ''''), '&#039;', ''''), '&apos;', ''''), '&lt;', '<'), '&gt;', '>'), '&amp;', '&');

CREATE OR REPLACE MACRO without_controls(value) AS
  regexp_replace(value, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]', '', 'g');

CREATE OR REPLACE MACRO clean_text(value) AS
  CASE WHEN needs_cleaning(value)
    THEN strip(without_controls(without_entities(without_markup(value))))
    ELSE value END;

-- What exports write for "nothing"; takes cleaned text.
CREATE OR REPLACE MACRO is_placeholder(value) AS
  upper(value) IN ('', 'NONE', 'NA', 'N/A', 'NULL', 'NAN');

-- Whether an id leaves room for the others in an index of the serving table, which holds keys of 2,700
-- bytes: a review, a product and a batch.
CREATE OR REPLACE MACRO fits_index(value) AS strlen(value) <= 1300;

-- A text that starts with a letter or digit is not blank; only the others are worth cleaning to see.
CREATE OR REPLACE MACRO is_blank(value) AS
  CASE
    WHEN value IS NULL THEN true
    WHEN regexp_matches(left(value, 1), '[0-9A-Za-z]') THEN false
    ELSE clean_text(value) = ''
  END;

-- Not negative; infinite from a time before all others. Differences of epochs take a tenth of the
-- time of date_diff, which asks the calendar of a time zone.
CREATE OR REPLACE MACRO days_between(earlier, later) AS
  CASE
    WHEN isfinite(earlier) THEN greatest(0.0, (epoch_us(later) - epoch_us(earlier)) / 86400e6)
    WHEN earlier < later THEN CAST('infinity' AS DOUBLE)
    ELSE 0.0
  END;

CREATE OR REPLACE MACRO row_json(value) AS CAST(to_json(value) AS VARCHAR);

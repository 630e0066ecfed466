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

-- White space, no-break spaces included, at both ends.
CREATE OR REPLACE MACRO strip(value) AS trim(value, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(65279));

-- Tags first, entities after: what an author wrote as &lt;b&gt; is text and stays.
CREATE OR REPLACE MACRO without_markup(value) AS
  CASE WHEN has_text(value, '<')
    THEN regexp_replace(
      regexp_replace(value, '<br\s*/?>', chr(10), 'gi'),
      '</?[a-zA-Z!][^<>]*>', '', 'g')
    ELSE value END;

CREATE OR REPLACE MACRO without_embeds(value) AS
  CASE WHEN has_text(value, '[[')
    THEN regexp_replace(value, '\[\[(VIDEOID|ASIN):[^\]]*\]\]', '', 'g')
    ELSE value END;

CREATE OR REPLACE MACRO without_entities(value) AS
  CASE WHEN has_text(value, '&')
    THEN replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(value,
      '&nbsp;', ' '), '&#160;', ' '), '&#34;', '"'), '&quot;', '"'), '&#34', '"'),
      '&#39;', ''''), '&#039;', ''''), '&apos;', ''''), '&lt;', '<'), '&gt;', '>'), '&amp;', '&')
    ELSE value END;

CREATE OR REPLACE MACRO without_controls(value) AS
  CASE WHEN regexp_matches(value, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]')
    THEN regexp_replace(value, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]', '', 'g')
    ELSE value END;

CREATE OR REPLACE MACRO clean_text(value) AS
  strip(without_controls(without_entities(without_embeds(without_markup(value)))));

-- For names and titles: a placeholder that an export wrote for "nothing" is nothing.
CREATE OR REPLACE MACRO clean_name(value) AS
  CASE WHEN upper(clean_text(value)) IN ('', 'NONE', 'NA', 'N/A', 'NULL', 'NAN') THEN NULL ELSE clean_text(value) END;

CREATE OR REPLACE MACRO is_blank(value) AS
  value IS NULL
  OR strip(value) = ''
  OR ((has_text(value, '<') OR has_text(value, '&') OR has_text(value, '[[') OR regexp_matches(value, '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]'))
      AND clean_text(value) = '');

CREATE OR REPLACE MACRO days_between(earlier, later) AS
  greatest(0.0, date_diff('second', earlier, later) / 86400.0);

CREATE OR REPLACE MACRO row_json(value) AS CAST(to_json(value) AS VARCHAR);

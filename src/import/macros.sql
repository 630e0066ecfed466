-- What mapping files may call beside the engine's own functions. All take text and give NULL for NULL.

-- Whether a name is missing, or is a word that exports write for "missing".
CREATE MACRO is_none(t) AS
  t IS NULL OR lower(trim(t)) IN ('', 'none', 'na', 'n/a', 'nan', 'null', '<na>');

-- A decimal number, with or without thousands separators: '1,341', '5.0', '1.5e3'; NULL if it is none.
CREATE MACRO number_of(t) AS
  CASE WHEN regexp_full_match(trim(t), '[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)?(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?')
       THEN TRY_CAST(replace(trim(t), ',', '') AS DOUBLE) END;

-- A whole number; NULL if it is none ('4.5', 'abc').
CREATE MACRO whole_of(t) AS
  CASE WHEN number_of(t) = floor(number_of(t)) AND abs(number_of(t)) < 9e15
       THEN CAST(number_of(t) AS BIGINT) END;

-- A moment: seconds or milliseconds since 1970, '09 1, 2016', or ISO 8601 (UTC where it names no zone).
CREATE MACRO time_of(t) AS
  CASE
    WHEN regexp_full_match(trim(t), '[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?') THEN
      CASE WHEN abs(TRY_CAST(trim(t) AS DOUBLE)) < 1e11 THEN to_timestamp(TRY_CAST(trim(t) AS DOUBLE))
           WHEN abs(TRY_CAST(trim(t) AS DOUBLE)) < 1e14 THEN to_timestamp(TRY_CAST(trim(t) AS DOUBLE) / 1000) END
    WHEN regexp_full_match(trim(t), '[0-9]{1,2} [0-9]{1,2}, [0-9]{4}') THEN
      CAST(try_strptime(trim(t), '%m %d, %Y') AS TIMESTAMPTZ)
    WHEN regexp_matches(trim(t), '^[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN TRY_CAST(trim(t) AS TIMESTAMPTZ)
  END;

-- Y/N, true/false, 1/0; NULL for anything else.
CREATE MACRO flag_of(t) AS
  CASE WHEN lower(trim(t)) IN ('y', 'yes', 'true', 't', '1') THEN true
       WHEN lower(trim(t)) IN ('n', 'no', 'false', 'f', '0') THEN false END;

-- An id made of what makes a record itself: the same parts give the same id on every machine.
CREATE MACRO derived_id(prefix, parts) AS
  prefix || ':' || left(sha256(array_to_string(
    list_transform(parts, lambda part: coalesce(part, chr(30))), chr(31))), 32);

-- A readable key for a name: 'Home & Kitchen' gives 'home-kitchen'.
CREATE MACRO slug_of(t) AS
  nullif(trim(regexp_replace(lower(t), '[^\p{L}\p{N}]+', '-', 'g'), '-'), '');

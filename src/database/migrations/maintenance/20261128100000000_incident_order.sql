-- How urgent a level is, as people write it by hand: 1 is the most urgent, 5 stands for what is no
-- level. P0 can only mean the most urgent.
CREATE FUNCTION maintenance.incident_urgency(severity text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
  SELECT CASE upper(btrim(severity))
    WHEN 'P0' THEN 1 WHEN 'P1' THEN 1 WHEN 'P2' THEN 2 WHEN 'P3' THEN 3 WHEN 'P4' THEN 4 ELSE 5
  END
$body$;

DROP INDEX maintenance.incidents_open;
CREATE INDEX incidents_open
  ON maintenance.incidents (maintenance.incident_urgency(severity), opened_at, incident_id)
  WHERE closed_at IS NULL;

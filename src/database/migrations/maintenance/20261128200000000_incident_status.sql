-- What a status says, as people write it by hand; the words are those of src/incidents/by-hand.ts.
CREATE FUNCTION maintenance.incident_status(status text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
  SELECT CASE replace(lower(btrim(status)), '_', ' ')
    WHEN 'acknowledged' THEN 'acknowledged'
    WHEN 'in progress' THEN 'acknowledged'
    WHEN 'assigned' THEN 'acknowledged'
    WHEN 'paused' THEN 'paused'
    WHEN 'on hold' THEN 'paused'
    WHEN 'resolved' THEN 'resolved'
    WHEN 'fixed' THEN 'resolved'
    WHEN 'closed' THEN 'closed'
    WHEN 'cancelled' THEN 'closed'
    WHEN 'done' THEN 'closed'
    WHEN 'merged' THEN 'merged'
    ELSE 'open'
  END
$body$;

-- Who closes or reopens a ticket by hand writes the status or the time, seldom both; lists go by both.
CREATE FUNCTION maintenance.incident_closed_by_hand() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  was_closed_at timestamp;
  was_status text;
  now_is text := maintenance.incident_status(NEW.status);
BEGIN
  IF current_setting('reviewops.incident_writer', true) = 'on' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    was_closed_at := OLD.closed_at;
    was_status := OLD.status;
  END IF;
  IF NEW.closed_at IS NULL AND now_is IN ('closed', 'merged') THEN
    IF was_closed_at IS NULL THEN
      NEW.closed_at := localtimestamp;
    ELSE
      NEW.status := 'open';
    END IF;
  ELSIF NEW.closed_at IS NOT NULL AND now_is NOT IN ('resolved', 'closed', 'merged') THEN
    IF was_closed_at IS NULL THEN
      NEW.status := 'closed';
    ELSIF NEW.status IS DISTINCT FROM was_status THEN
      NEW.closed_at := NULL;
    END IF;
  END IF;
  RETURN NEW;
END
$body$;
CREATE TRIGGER incident_closed_by_hand BEFORE INSERT OR UPDATE ON maintenance.incidents
  FOR EACH ROW EXECUTE FUNCTION maintenance.incident_closed_by_hand();

-- Those that were closed by hand before; their log says so already.
SELECT set_config('reviewops.incident_writer', 'on', true);
UPDATE maintenance.incidents SET closed_at = coalesce(
  (SELECT max(at) AT TIME ZONE current_setting('TimeZone') FROM maintenance.incident_events AS event
   WHERE event.incident_id = incidents.incident_id),
  localtimestamp
) WHERE closed_at IS NULL AND maintenance.incident_status(status) IN ('closed', 'merged');
UPDATE maintenance.incidents SET status = 'closed'
WHERE closed_at IS NOT NULL
  AND maintenance.incident_status(status) NOT IN ('resolved', 'closed', 'merged');
SELECT set_config('reviewops.incident_writer', '', true);

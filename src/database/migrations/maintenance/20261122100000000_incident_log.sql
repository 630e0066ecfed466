ALTER TABLE maintenance.incidents
  ADD COLUMN source text,
  -- What tickets are told apart by: the same cause does not open a second one.
  ADD COLUMN cause text,
  ADD COLUMN merged_into integer;
CREATE INDEX incidents_open ON maintenance.incidents (severity, opened_at, incident_id)
  WHERE closed_at IS NULL;
CREATE INDEX incidents_cause ON maintenance.incidents (cause, incident_id);
CREATE INDEX incidents_opened ON maintenance.incidents (opened_at);

-- Everything that ever happened to a ticket; its clocks are computed from here. No foreign key: the
-- log outlives a ticket that is deleted by hand.
CREATE TABLE maintenance.incident_events (
  incident_id integer NOT NULL,
  seq integer NOT NULL,
  at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  type text NOT NULL,
  by text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  -- What may happen once only: a signal, a step of an escalation, a comment from elsewhere.
  key text,
  PRIMARY KEY (incident_id, seq),
  UNIQUE (incident_id, key)
);
CREATE INDEX incident_events_key ON maintenance.incident_events (key) WHERE key IS NOT NULL;
CREATE INDEX incident_events_action ON maintenance.incident_events (incident_id)
  WHERE type = 'action.added';

INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data)
SELECT incident_id, 0, coalesce(opened_at AT TIME ZONE 'UTC', now()), 'recorded', session_user,
       jsonb_build_object('columns', to_jsonb(incidents))
FROM maintenance.incidents;

CREATE FUNCTION maintenance.incident_log_stays() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION 'maintenance.incident_events is a log: entries are added, never changed or removed';
END
$body$;
CREATE TRIGGER incident_log_stays BEFORE UPDATE OR DELETE ON maintenance.incident_events
  FOR EACH ROW EXECUTE FUNCTION maintenance.incident_log_stays();
CREATE TRIGGER incident_log_is_not_emptied BEFORE TRUNCATE ON maintenance.incident_events
  FOR EACH STATEMENT EXECUTE FUNCTION maintenance.incident_log_stays();

-- A ticket does not take over the log of an earlier one when the numbers begin anew.
CREATE FUNCTION maintenance.incident_takes_free_number() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF EXISTS (SELECT FROM maintenance.incident_events WHERE incident_id = NEW.incident_id) THEN
    NEW.incident_id := setval(
      pg_get_serial_sequence('maintenance.incidents', 'incident_id'),
      (SELECT max(incident_id) + 1 FROM maintenance.incident_events)
    );
  END IF;
  RETURN NEW;
END
$body$;
CREATE TRIGGER incident_takes_free_number BEFORE INSERT ON maintenance.incidents
  FOR EACH ROW EXECUTE FUNCTION maintenance.incident_takes_free_number();

-- What people write into the table by hand is an event, too. The tool writes its own.
CREATE FUNCTION maintenance.incident_by_hand() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  changes jsonb;
  happened timestamptz := now();
  zone text := current_setting('TimeZone');
BEGIN
  IF current_setting('reviewops.incident_writer', true) = 'on' THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    changes := to_jsonb(NEW);
    happened := coalesce(NEW.opened_at AT TIME ZONE zone, now());
  ELSE
    SELECT jsonb_object_agg(after.key, after.value) INTO changes
    FROM jsonb_each(to_jsonb(NEW)) AS after JOIN jsonb_each(to_jsonb(OLD)) AS before USING (key)
    WHERE after.value IS DISTINCT FROM before.value;
    IF changes IS NULL THEN
      RETURN NULL;
    END IF;
    IF NEW.closed_at IS DISTINCT FROM OLD.closed_at AND NEW.closed_at IS NOT NULL THEN
      happened := least(now(), NEW.closed_at AT TIME ZONE zone);
    END IF;
  END IF;
  INSERT INTO maintenance.incident_events (incident_id, seq, at, type, by, data)
  SELECT NEW.incident_id, coalesce(max(seq) + 1, 0), greatest(happened, max(at)),
         CASE TG_OP WHEN 'INSERT' THEN 'recorded' ELSE 'edited' END, session_user,
         jsonb_build_object('columns', changes)
  FROM maintenance.incident_events WHERE incident_id = NEW.incident_id;
  RETURN NULL;
END
$body$;
CREATE TRIGGER incident_by_hand AFTER INSERT OR UPDATE ON maintenance.incidents
  FOR EACH ROW EXECUTE FUNCTION maintenance.incident_by_hand();

-- Messages to channels and trackers, written together with the event that they tell of.
CREATE TABLE maintenance.incident_outbox (
  message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  incident_id integer NOT NULL,
  channel text NOT NULL,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'sending', 'sent', 'stuck', 'superseded')),
  attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  claimed_by text,
  sent_at timestamptz,
  last_error text,
  reference text
);
CREATE INDEX incident_outbox_due ON maintenance.incident_outbox (next_attempt_at)
  WHERE state IN ('waiting', 'sending');
CREATE INDEX incident_outbox_order ON maintenance.incident_outbox (incident_id, channel, message_id);

-- What makes a keyed hash of a person's id. The ledger of erasures is in another database: one without the other tells
-- nothing of who was erased. A restored backup brings the same key back.
CREATE TABLE iwd.subject_pepper (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  pepper bytea NOT NULL
);
INSERT INTO iwd.subject_pepper (pepper)
  SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- During a rolling update the release before goes on writing rows without a link: they get it here, so that the chain
-- has no hole that somebody could hide a row in.
CREATE FUNCTION iwd.link_journal_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  row_digest bytea := sha256(NEW.events);
  row_link bytea;
BEGIN
  UPDATE iwd.tenant_lease
     SET link = sha256(link || int8send(NEW.seq) || int8send(NEW.epoch) || int4send(NEW.event_count)
                       || timestamptz_send(NEW.at) || row_digest)
  RETURNING link INTO row_link;
  PERFORM set_config('iwd.erasing', 'on', true);
  UPDATE iwd.journal SET digest = row_digest, link = row_link WHERE seq = NEW.seq;
  PERFORM set_config('iwd.erasing', 'off', true);
  RETURN NULL;
END $$;
CREATE TRIGGER linked AFTER INSERT ON iwd.journal
  FOR EACH ROW WHEN (NEW.link IS NULL) EXECUTE FUNCTION iwd.link_journal_row();

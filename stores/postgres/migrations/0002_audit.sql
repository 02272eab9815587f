-- The journal is the tenant's audit log. Each row carries the SHA-256 of its events and a link that covers the row and
-- all rows before it; the lease holds the newest link, so that the commit statement makes the next one by itself. Rows
-- of the release before have neither: the chain begins at the first row that has one (`iwd audit verify` says where).
ALTER TABLE iwd.journal ADD COLUMN digest bytea, ADD COLUMN link bytea;
ALTER TABLE iwd.tenant_lease ADD COLUMN link bytea NOT NULL DEFAULT '';

-- Only an erasure rewrites the events of a row; it says so in its transaction. This stops accidents, not an owner of
-- the table: what somebody changes in spite of it, the chain shows.
CREATE FUNCTION iwd.refuse_journal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_setting('iwd.erasing', true) = 'on' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = '55000';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON iwd.journal
  FOR EACH ROW EXECUTE FUNCTION iwd.refuse_journal_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON iwd.journal
  FOR EACH STATEMENT EXECUTE FUNCTION iwd.refuse_journal_change();

-- Where the request came from: the client's address.
ALTER TABLE iwd.work_item_history ADD COLUMN origin text COLLATE "C";
-- Searches of the audit log go through time, newest first.
CREATE INDEX work_item_history_at ON iwd.work_item_history (at, seq);

-- Events that are no item's: settings, bulk actions, erasures. Follows the journal, as all the tables do.
CREATE TABLE iwd.tenant_history (
  seq     bigint PRIMARY KEY,
  at      timestamptz NOT NULL,
  type    text COLLATE "C" NOT NULL,
  by      text,
  origin  text COLLATE "C",
  details jsonb NOT NULL
);
CREATE INDEX tenant_history_at ON iwd.tenant_history (at, seq);
INSERT INTO iwd.tenant_history (seq, at, type, by, details)
  SELECT seq, at, kind || 'Replaced', by, jsonb_build_object('version', version) FROM iwd.settings;

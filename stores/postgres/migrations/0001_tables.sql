-- One database holds one tenant. The runner creates the schema `iwd` and runs each file in a transaction.

-- The right to change the tenant's state, and the journal's head: the commit statement compares and moves it.
-- fillfactor 50 keeps every update on its page (HOT): the table stays at 8 KB however many commits run over it.
CREATE TABLE iwd.tenant_lease (
  tenant_id   text PRIMARY KEY,
  epoch       bigint NOT NULL DEFAULT 0,
  owner_token text NOT NULL DEFAULT '',
  owner_pod   text,
  owner_url   text,
  hb          bigint NOT NULL DEFAULT 0,
  last_seq    bigint NOT NULL DEFAULT 0,
  released    boolean NOT NULL DEFAULT true,
  -- A second tenant in the same database would interleave two journals: refuse its row.
  only_tenant boolean NOT NULL DEFAULT true UNIQUE CHECK (only_tenant)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- One row a commit. The bytes are msgpack with their own format byte; compressing them again would only cost time.
CREATE TABLE iwd.journal (
  seq         bigint PRIMARY KEY,
  epoch       bigint NOT NULL,
  event_count integer NOT NULL CHECK (event_count > 0),
  at          timestamptz NOT NULL DEFAULT now(),
  events      bytea NOT NULL
);
ALTER TABLE iwd.journal ALTER COLUMN events SET STORAGE EXTERNAL;

-- Everything below follows the journal and can be rebuilt from it.
CREATE TABLE iwd.follower_cursor (
  name text PRIMARY KEY,
  seq  bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
INSERT INTO iwd.follower_cursor VALUES ('work_item', 0);

CREATE TABLE iwd.work_item (
  id               uuid PRIMARY KEY,
  seq              bigint NOT NULL,
  version          integer NOT NULL,
  status           text COLLATE "C" NOT NULL,
  category         text COLLATE "C",
  capture_id       text COLLATE "C",
  business_value   double precision,
  customer_segment text,
  department_id    text,
  process_id       text,
  assigned_to      text,
  created_at       timestamptz NOT NULL,
  activation_at    timestamptz,
  due_at           timestamptz,
  expiration_at    timestamptz,
  updated_at       timestamptz NOT NULL,
  assigned_at      timestamptz,
  held_at          timestamptz,
  completed_at     timestamptz,
  fingerprint      text COLLATE "C" NOT NULL,
  attributes       jsonb NOT NULL,
  -- The fields that no query asks for, under their names in `WorkItem`.
  extra            jsonb
);
-- Lists by status, lists of all (one probe a status) and the scan of the open items.
CREATE INDEX work_item_status ON iwd.work_item (status, seq);
-- Lists by category: a skip scan finds the categories below a path.
CREATE INDEX work_item_category ON iwd.work_item (category, seq) WHERE category IS NOT NULL;
-- Not unique: the engine keeps captureIds unique; a follower that could be refused would stall for ever.
CREATE INDEX work_item_capture ON iwd.work_item (capture_id) WHERE capture_id IS NOT NULL;

CREATE TABLE iwd.work_item_history (
  item_id uuid NOT NULL,
  seq     bigint NOT NULL,
  at      timestamptz NOT NULL,
  type    text COLLATE "C" NOT NULL,
  by      text,
  version integer NOT NULL,
  status  text COLLATE "C" NOT NULL,
  details jsonb NOT NULL,
  PRIMARY KEY (item_id, seq)
);

CREATE TABLE iwd.idempotency_key (
  key         text COLLATE "C" PRIMARY KEY,
  fingerprint text COLLATE "C" NOT NULL,
  status      smallint NOT NULL,
  item_id     uuid,
  at          timestamptz NOT NULL
);
CREATE INDEX idempotency_key_at ON iwd.idempotency_key (at);

-- `json`, not `jsonb`: a document comes back as it was written, order of keys included.
CREATE TABLE iwd.settings (
  kind     text COLLATE "C" NOT NULL,
  version  integer NOT NULL,
  seq      bigint NOT NULL,
  at       timestamptz NOT NULL,
  by       text,
  document json NOT NULL,
  PRIMARY KEY (kind, version)
);

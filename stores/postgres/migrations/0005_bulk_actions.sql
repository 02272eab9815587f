-- Work that was promised with 202: kept until it is done, and for a while after. Not derived from the journal.
CREATE TABLE iwd.bulk_action (
  id          uuid PRIMARY KEY,
  action      text COLLATE "C" NOT NULL,
  arguments   jsonb NOT NULL,
  filter      json,
  by          text,
  origin      text,
  key         text COLLATE "C" UNIQUE,
  fingerprint text COLLATE "C" NOT NULL,
  state       text COLLATE "C" NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
  matched     integer NOT NULL,
  next        integer NOT NULL DEFAULT 0,
  done        integer NOT NULL DEFAULT 0,
  failed      integer NOT NULL DEFAULT 0,
  failures    jsonb NOT NULL DEFAULT '[]',
  created_at  timestamptz NOT NULL,
  finished_at timestamptz,
  -- Emptied at the end.
  ids         uuid[] NOT NULL
);
CREATE INDEX bulk_action_running ON iwd.bulk_action (id) WHERE state = 'running';

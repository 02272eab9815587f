-- What has become of each saved filter that was ever changed: the one that a tenant begins with gives way to its row, and
-- a row without a document says that it was removed. `json`, not `jsonb`: a filter comes back as it was written.
CREATE TABLE iwd.saved_filter (
  id       text COLLATE "C" PRIMARY KEY,
  seq      bigint NOT NULL,
  document json
);

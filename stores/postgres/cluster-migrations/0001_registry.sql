-- The registry of a cluster: which tenants there are, where their databases are, and who may call. It lives in the
-- database of DATABASE_URL (or the embedded one) beside the schema of that database's own tenant. Columns called
-- `sealed` hold AES-256-GCM envelopes (stores/postgres/cluster/sealer.ts), keys are held as SHA-256 digests.

-- Grows with every change, in the transaction of the change: whoever holds the row's lock is the only writer, and other
-- processes compare one number to know whether to read again.
CREATE TABLE iwd_cluster.revision (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  number bigint NOT NULL,
  -- Id of the master key that seals since the last rotation: a server that still seals with an older one is refused.
  master_key text
);
INSERT INTO iwd_cluster.revision (number) VALUES (0);

CREATE TABLE iwd_cluster.tenant (
  -- The contact centre id (ccid); the tenant's name everywhere inside the engine.
  id text PRIMARY KEY,
  short_id text NOT NULL,
  name text NOT NULL,
  -- {"apiKey"}: issued by Digital Channels, for calls to it. Null for the tenant of the server's own database.
  sealed bytea,
  quotas jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE iwd_cluster.service (
  tenant_id text NOT NULL REFERENCES iwd_cluster.tenant ON DELETE CASCADE,
  name text NOT NULL CHECK (name IN ('GAPI', 'iWD', 'iWDEmail')),
  -- What everybody who may list tenants may read.
  config jsonb NOT NULL,
  -- GAPI: {"clientId", "clientSecret", "apikey", "username", "token"}; iWD: {"password"}.
  sealed bytea,
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE iwd_cluster.api_key (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Null: a key of the cluster.
  tenant_id text REFERENCES iwd_cluster.tenant ON DELETE CASCADE,
  name text NOT NULL,
  scope text NOT NULL CHECK (scope IN ('cluster', 'tenant', 'datamart')),
  -- Name of the role that narrows what the key may do; null: everything of its scope.
  role text,
  -- Given by the provisioning body, which replaces it; others are made by POST /keys.
  provisioned boolean NOT NULL DEFAULT false,
  -- SHA-256 of the key. The keys are random and long, so there is nothing to guess and no salt to keep.
  digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
  created_by text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  -- Written lazily, so behind by some seconds.
  last_used_at timestamptz,
  revoked_at timestamptz,
  CHECK ((scope = 'cluster') = (tenant_id IS NULL))
);
CREATE INDEX api_key_tenant ON iwd_cluster.api_key (tenant_id, created_at);
CREATE UNIQUE INDEX api_key_provisioned ON iwd_cluster.api_key (tenant_id, name) WHERE provisioned;

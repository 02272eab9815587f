-- People, the roles that tenants make themselves, and sessions. Built-in roles are in the source (api/role.ts).

CREATE TABLE iwd_cluster.role (
  tenant_id text NOT NULL REFERENCES iwd_cluster.tenant ON DELETE CASCADE,
  name text NOT NULL,
  privileges text[] NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, name)
);

CREATE TABLE iwd_cluster.person (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id text NOT NULL REFERENCES iwd_cluster.tenant ON DELETE CASCADE,
  name text NOT NULL,
  display_name text,
  -- Names of built-in roles and of rows of `role`: one that no longer is allows nothing.
  roles text[] NOT NULL,
  disabled boolean NOT NULL DEFAULT false,
  -- scrypt in the PHC format, with its parameters and salt. Null: cannot sign in with a password.
  password text,
  -- Issuer and sub of the identity provider.
  subject text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX person_name ON iwd_cluster.person (tenant_id, lower(name));
CREATE UNIQUE INDEX person_subject ON iwd_cluster.person (tenant_id, subject);

CREATE TABLE iwd_cluster.session (
  -- SHA-256 of the cookie's random value.
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  person_id uuid NOT NULL REFERENCES iwd_cluster.person ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  -- Written at most once a minute, so behind by that.
  used_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX session_person ON iwd_cluster.session (person_id, created_at);

-- Sign-ins that are at the identity provider right now; each row is taken once.
CREATE TABLE iwd_cluster.sign_in_state (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  nonce text NOT NULL,
  verifier text NOT NULL,
  return_to text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_state_expiry ON iwd_cluster.sign_in_state (expires_at);

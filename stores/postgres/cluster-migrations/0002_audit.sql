-- What was done to the cluster: tenants, keys, people, roles, sign-ins. Written in the transaction of the change itself
-- (stores/postgres/cluster/audit.ts). Whoever appends holds the head's row until the end of that transaction, so that
-- the chain has one order.
CREATE TABLE iwd_cluster.audit_head (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq  bigint NOT NULL,
  link bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO iwd_cluster.audit_head (seq, link) VALUES (0, '');

-- `json` keeps the text as it was hashed; what is searched is generated from it and cannot say something else.
CREATE TABLE iwd_cluster.audit (
  seq       bigint PRIMARY KEY,
  at        timestamptz NOT NULL,
  entry     json NOT NULL,
  link      bytea NOT NULL,
  type      text COLLATE "C" GENERATED ALWAYS AS (entry ->> 'type') STORED,
  by        text COLLATE "C" GENERATED ALWAYS AS (entry ->> 'by') STORED,
  origin    text COLLATE "C" GENERATED ALWAYS AS (entry ->> 'from') STORED,
  tenant_id text COLLATE "C" GENERATED ALWAYS AS (entry ->> 'tenantId') STORED
);
CREATE INDEX audit_at ON iwd_cluster.audit (at, seq);

CREATE FUNCTION iwd_cluster.append_audit(entry json) RETURNS bigint LANGUAGE sql AS $$
  WITH head AS (
    UPDATE iwd_cluster.audit_head
       SET seq = seq + 1,
           link = sha256(link || int8send(seq + 1) || timestamptz_send(now()) || convert_to(entry::text, 'UTF8'))
    RETURNING seq, link)
  INSERT INTO iwd_cluster.audit (seq, at, entry, link) SELECT seq, now(), entry, link FROM head RETURNING seq
$$;

-- Stops accidents and injected statements; an owner of the table who drops the trigger is what the chain is for.
CREATE FUNCTION iwd_cluster.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = '55000';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON iwd_cluster.audit
  FOR EACH ROW EXECUTE FUNCTION iwd_cluster.refuse_audit_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON iwd_cluster.audit
  FOR EACH STATEMENT EXECUTE FUNCTION iwd_cluster.refuse_audit_change();
REVOKE UPDATE, DELETE, TRUNCATE ON iwd_cluster.audit FROM PUBLIC, CURRENT_USER;

-- Heads of chains that were verified, so that a log whose end is cut off later is noticed. Tenant '' is the cluster.
CREATE TABLE iwd_cluster.audit_anchor (
  tenant_id text PRIMARY KEY,
  seq       bigint NOT NULL,
  link      bytea NOT NULL,
  at        timestamptz NOT NULL DEFAULT now()
);

-- Whom to erase again when a tenant's database comes back from a backup. A person is named by an HMAC whose pepper is
-- in the tenant's own database: either database alone tells nothing. Kept when its tenant is removed: its database is.
CREATE TABLE iwd_cluster.erasure (
  id        uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  subject   bytea NOT NULL CHECK (octet_length(subject) = 32),
  -- Where the person's id stands, and what was personal, when the erasure was asked for.
  keys      text[] NOT NULL,
  paths     text[] NOT NULL,
  at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX erasure_tenant ON iwd_cluster.erasure (tenant_id);

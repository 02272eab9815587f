import type { Instant } from '../../engine/work-item.js';

/**
 * People, their roles and their sessions, as the front needs them. Nothing of a password or a session's id is kept that
 * could be used as one: a slow hash of the first, a digest of the second.
 */

export interface Person {
  id: string;
  tenantId: string;
  /** Unique in the tenant, whatever the case; kept in the history as `by`. */
  name: string;
  displayName: string | null;
  /** Names of built-in and of the tenant's own roles. */
  roles: string[];
  /** What the tenant's own roles among `roles` allow; those of built-in roles are not in it. */
  ownPrivileges: string[];
  disabled: boolean;
  hasPassword: boolean;
  /** Signs in through the identity provider. */
  external: boolean;
  createdAt: Instant;
  updatedAt: Instant;
}

export interface NewPerson {
  tenantId: string;
  name: string;
  displayName: string | null;
  roles: readonly string[];
  /** Hashed (`api/password.ts`); null: cannot sign in with one. */
  password: string | null;
}

/** What stays out stays as it is. */
export interface PersonChange {
  displayName?: string | null;
  roles?: readonly string[];
  disabled?: boolean;
  password?: string;
}

export interface OwnRole {
  name: string;
  privileges: string[];
  updatedAt: Instant;
}

/** Somebody whom the identity provider knows. */
export interface Subject {
  tenantId: string;
  /** Issuer and `sub`, which together never change and are never given to somebody else. */
  subject: string;
  /** The name wanted; one that is taken gets an ending of its own. */
  name: string;
  displayName: string | null;
  /** Replaces the roles that are stored; undefined: the provider says nothing of roles, and the stored ones hold. */
  roles?: readonly string[];
}

/** The store cannot be reached, or gave no answer: nothing is known of what was asked. */
export class PeopleUnavailable extends Error {
  override name = 'PeopleUnavailable';
}

/** Who makes a change and from which address, for the audit log that is written with it. */
export interface Doer {
  by: string;
  from: string;
}

/** Bounds of one tenant. */
export const peopleMax = 10_000;
export const ownRolesMax = 100;

/** Every change that takes something from somebody ends that person's sessions in the same statement. */
export interface PeopleStore {
  /** The tenant's id for what a person calls it: its id, its short id or its name; undefined when none or several fit. */
  tenant(called: string): Promise<string | undefined>;

  roles(tenantId: string): Promise<OwnRole[]>;
  putRole(
    tenantId: string,
    name: string,
    privileges: readonly string[],
    doer: Doer,
  ): Promise<'created' | 'updated' | 'too-many'>;
  removeRole(tenantId: string, name: string, doer: Doer): Promise<'removed' | 'unknown' | 'in-use'>;

  /** By name, those after `after`, at most `limit`. */
  people(tenantId: string, limit: number, after?: string): Promise<Person[]>;
  person(tenantId: string, id: string): Promise<Person | undefined>;
  addPerson(person: NewPerson, doer: Doer): Promise<Person | 'name-taken' | 'too-many' | 'no-tenant'>;
  changePerson(tenantId: string, id: string, change: PersonChange, doer: Doer): Promise<Person | undefined>;
  removePerson(tenantId: string, id: string, doer: Doer): Promise<boolean>;
  /** The first person of a tenant that has none; undefined when there is somebody. */
  addFirstPerson(person: NewPerson): Promise<Person | undefined>;

  /** For signing in with a password; the hash goes to nobody else. */
  passwordOf(tenantId: string, name: string): Promise<{ person: Person; password: string | null } | undefined>;
  /** Makes the person when it is the first time; ends the sessions when the roles have changed. */
  signInSubject(subject: Subject): Promise<Person | 'no-tenant' | 'too-many'>;
  subject(tenantId: string, subject: string): Promise<Person | undefined>;
}

export interface Session {
  person: Person;
  usedAt: Instant;
  /** Whatever its use, it ends here. */
  expiresAt: Instant;
}

/** What a sign-in through the identity provider must remember between leaving and coming back. */
export interface SignInState {
  nonce: string;
  verifier: string;
  returnTo: string;
  expiresAt: Instant;
}

/** Bounds: the oldest give way. */
export const sessionsOfPersonMax = 20;
export const signInStatesMax = 10_000;

export interface SessionStore {
  open(digest: Buffer, person: Person, at: Instant, expiresAt: Instant, from: string): Promise<void>;
  find(digest: Buffer): Promise<Session | undefined>;
  touch(digest: Buffer, at: Instant): Promise<void>;
  close(digest: Buffer): Promise<void>;
  /** Puts a sign-in that was refused into the audit log. */
  refused(attempt: { name: string; from: string; tenantId?: string }): Promise<void>;
  keepState(digest: Buffer, state: SignInState): Promise<void>;
  /** Gives it once: who asks second, on whichever server, gets nothing. */
  takeState(digest: Buffer): Promise<SignInState | undefined>;
  /** Forgets what has expired; returns how many. */
  forgetExpired(now: Instant, idleMs: number): Promise<number>;
}

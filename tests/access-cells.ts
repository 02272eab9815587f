/**
 * The matrix of who may call what, made from the OpenAPI document of a running server: every operation is in it without
 * anybody adding it. The rule below is written down a second time on purpose, from the words of docs/privileges.md and
 * not from the code that it judges.
 */

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes
type Json = any;

/** One operation as the document tells it. */
export interface Row {
  id: string;
  method: string;
  /** Below the base path, with names in braces. */
  path: string;
  access: string;
  /** The documented example, and its media type. */
  body: Json;
  media: string | undefined;
  statuses: ReadonlySet<string>;
}

export interface Credential {
  name: string;
  tenant: 'acme' | 'umbrella' | undefined;
  kind: 'none' | 'cluster' | 'tenant' | 'datamart' | 'user';
  /** What `GET /roles` says of the user's roles. */
  privileges?: ReadonlySet<string>;
  /** A session whose page does not send the token back. */
  withoutCsrfToken?: true;
  headers: Record<string, string>;
}

export type Expected = 'open' | 'allowed' | 'unauthorized' | 'forbidden' | 'cross-site';

const basePath = '/iwd/v3';

export function rowsOf(document: Json): Row[] {
  return Object.entries<Json>(document.paths)
    .filter(([path]) => path.startsWith(`${basePath}/`))
    .flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => {
        const [media, content] = Object.entries<Json>(operation.requestBody?.content ?? {})[0] ?? [];
        return {
          id: operation.operationId,
          method: method.toUpperCase(),
          path: path.slice(basePath.length),
          access: operation['x-access'],
          body: content?.example,
          media,
          statuses: new Set(Object.keys(operation.responses)),
        };
      }),
    );
}

/** A data mart reads items and settings, and exports; nothing else. */
const reporting = new Set([
  'iWD.Workitems.canRead',
  'iWD.Workitems.Search.canExecute',
  'iWD.Workitems.Export.canExecute',
  'iWD.Categories.canRead',
  'iWD.Prioritization.canRead',
  'iWD.Calendars.canRead',
  'iWD.Filters.canRead',
]);

export function expectedOf({ access, method }: Row, credential: Credential): Expected {
  if (access === 'open') return 'open';
  if (credential.kind === 'none') return 'unauthorized';
  if (credential.withoutCsrfToken && method !== 'GET') return 'cross-site';
  if (access === 'signed-in') return 'allowed';
  if (access === 'cluster') return credential.kind === 'cluster' ? 'allowed' : 'forbidden';
  const has = {
    cluster: () => false,
    tenant: () => true,
    datamart: () => reporting.has(access),
    user: () => credential.privileges!.has(access),
  }[credential.kind];
  return has() ? 'allowed' : 'forbidden';
}

/** These look at a credential in their own body or query, so 401 and 403 are answers of theirs. */
const judges = new Set(['signIn', 'changePassword', 'finishOidc']);

/** What is wrong with a cell's answer; undefined when it is the expected one. */
export function faultOf(row: Row, credential: Credential, status: number, text: string): string | undefined {
  const expected = expectedOf(row, credential);
  const problem = status >= 400 ? (JSON.parse(text) as { code: string; privilege?: string }) : undefined;
  const wrong = () => `${row.id} as ${credential.name}: expected ${expected}, got ${status} ${text.slice(0, 300)}`;
  switch (expected) {
    case 'unauthorized':
      return status === 401 && problem?.code === 'unauthorized' ? undefined : wrong();
    case 'cross-site':
      return status === 403 && problem?.code === 'cross-site' ? undefined : wrong();
    case 'forbidden':
      return status === 403 && problem?.code === 'forbidden' && problem.privilege === row.access ? undefined : wrong();
    default:
      if (!row.statuses.has(String(status))) return `${wrong()}, which is not documented`;
      if (judges.has(row.id)) return undefined;
      return status === 401 || (status === 403 && problem?.privilege === row.access) ? wrong() : undefined;
  }
}

/** The path with its names filled in. */
export function filled(path: string, value: string): string {
  return path.replace(/\{\w+\}/, encodeURIComponent(value));
}

export const hasName = ({ path }: Row): boolean => path.includes('{');

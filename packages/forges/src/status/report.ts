import { trimEnd } from '@kiln/domain';
/** What becomes of a build, as forges are told. */
export type ReportedState = 'pending' | 'running' | 'succeeded' | 'failed' | 'canceled' | 'error';

export interface StatusReport {
  /** As the forge names it: `ForgeRepository.fullName`. */
  readonly repository: string;
  readonly commit: string;
  /** What is reported on, such as `kiln/api`; a newer report of the same name replaces an older one. */
  readonly context: string;
  readonly state: ReportedState;
  /** One line for people. Cut to what the forge takes. */
  readonly description: string;
  /** Where the build can be watched. */
  readonly url: string;
  /** The build's id; comes back when somebody asks for a re-run. */
  readonly buildId: string;
  /** What the forge called this report when it was first sent; only GitHub's checks have one. */
  readonly remoteId?: string | undefined;
  /** Branch or tag, for forges that show it. */
  readonly ref?: string | undefined;
}

export interface ForgeConnection {
  /** Root of the API, without a slash at the end: `https://api.github.com`, `https://gitlab.example.org/api/v4`. */
  readonly apiUrl: string;
  /** What the forge calls an access token; for Bitbucket also `user:password`. */
  readonly token: string;
  /** GitHub: report check runs, which only a GitHub App may, instead of commit statuses. */
  readonly checks?: boolean | undefined;
}

export interface StatusRequest {
  readonly method: 'POST' | 'PATCH';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `text` in at most `max` UTF-16 units, with an ellipsis where it was cut; never half of a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** A request with a JSON body. `path` begins with a slash and is escaped already. */
export function jsonRequest(
  method: StatusRequest['method'],
  connection: ForgeConnection,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: object,
): StatusRequest {
  return {
    method,
    url: `${trimEnd(connection.apiUrl, '/')}${path}`,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': 'kiln',
      ...headers,
    },
    body: JSON.stringify(body),
  };
}

/** `owner/name` with each part escaped for a path. */
export function escapedPath(fullName: string): string {
  return fullName.split('/').map(encodeURIComponent).join('/');
}

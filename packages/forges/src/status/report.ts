import { trimEnd } from '@kiln/domain';

/** The state of a build as it is reported to forges. */
export type ReportedState = 'pending' | 'running' | 'succeeded' | 'failed' | 'canceled' | 'error';

export interface StatusReport {
  /** The forge's name of it: `ForgeRepository.fullName`. */
  readonly repository: string;
  readonly commit: string;
  /** The name of the status, such as `kiln/api`. A newer report with the same name replaces an older one. */
  readonly context: string;
  readonly state: ReportedState;
  /** One line for people. Cut to the length that the forge accepts. */
  readonly description: string;
  /** The page on which to watch the build. */
  readonly url: string;
  /** The build's id; GitHub sends it back when the check is re-run. */
  readonly buildId: string;
  /** The forge's id of the status, from the first report of it. Only GitHub's check runs have one. */
  readonly remoteId?: string | undefined;
  /** Branch or tag, for the forges that show it. */
  readonly ref?: string | undefined;
}

export interface ForgeConnection {
  /** Root of the API, without a slash at the end: `https://api.github.com`, `https://gitlab.example.org/api/v4`. */
  readonly apiUrl: string;
  /** An access token of the forge; for Bitbucket also `user:password`. */
  readonly token: string;
  /** GitHub: report check runs, which only a GitHub App may create, instead of commit statuses. */
  readonly checks?: boolean | undefined;
}

export interface StatusRequest {
  readonly method: 'POST' | 'PATCH';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Cuts `text` to at most `max` UTF-16 units, ending in an ellipsis. Never splits a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Builds a request with a JSON body. `path` begins with a slash and is already escaped. */
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

/** Escapes each part of `owner/name` for a URL's path. */
export function escapedPath(fullName: string): string {
  return fullName.split('/').map(encodeURIComponent).join('/');
}

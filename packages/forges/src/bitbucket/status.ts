import { createHash } from 'node:crypto';
import {
  cut,
  escapedPath,
  type ForgeConnection,
  jsonRequest,
  type ReportedState,
  type StatusReport,
  type StatusRequest,
} from '../status/report.ts';

/** Bitbucket Cloud's `POST /repositories/{workspace}/{repo}/commit/{commit}/statuses/build`. */
export interface BitbucketStatus {
  readonly key: string;
  readonly name: string;
  readonly state: 'INPROGRESS' | 'SUCCESSFUL' | 'FAILED' | 'STOPPED';
  readonly url: string;
  readonly description: string;
  readonly refname?: string;
}

/** Bitbucket refuses longer keys. */
const MAX_KEY = 40;
const MAX_TEXT = 255;

const STATES = {
  pending: 'INPROGRESS',
  running: 'INPROGRESS',
  succeeded: 'SUCCESSFUL',
  failed: 'FAILED',
  canceled: 'STOPPED',
  error: 'FAILED',
} as const satisfies Record<ReportedState, BitbucketStatus['state']>;

export function bitbucketStatus(report: StatusReport, connection: ForgeConnection): StatusRequest {
  const body: BitbucketStatus = {
    key: keyOf(report.context),
    name: cut(report.context, MAX_TEXT),
    state: STATES[report.state],
    url: report.url,
    description: cut(report.description, MAX_TEXT),
    ...(report.ref !== undefined && { refname: report.ref }),
  };
  const path = `/repositories/${escapedPath(report.repository)}/commit/${report.commit}/statuses/build`;
  return jsonRequest('POST', connection, path, { authorization: authorization(connection.token) }, body);
}

/** Replaces a context that is too long by its hash. */
function keyOf(context: string): string {
  return context.length <= MAX_KEY ? context : createHash('sha256').update(context).digest('hex').slice(0, MAX_KEY);
}

/** API tokens and app passwords are `user:password`; anything else is an access token of a repository or workspace. */
function authorization(token: string): string {
  return token.includes(':') ? `Basic ${Buffer.from(token).toString('base64')}` : `Bearer ${token}`;
}

import {
  cut,
  type ForgeConnection,
  jsonRequest,
  type ReportedState,
  type StatusReport,
  type StatusRequest,
} from '../status/report.ts';

/** GitLab's `POST /projects/:id/statuses/:sha`. */
export interface GitlabStatus {
  readonly state: 'pending' | 'running' | 'success' | 'failed' | 'canceled';
  readonly name: string;
  readonly description: string;
  readonly target_url: string;
  readonly ref?: string;
}

const MAX_TEXT = 255;

const STATES = {
  pending: 'pending',
  running: 'running',
  succeeded: 'success',
  failed: 'failed',
  canceled: 'canceled',
  error: 'failed',
} as const satisfies Record<ReportedState, GitlabStatus['state']>;

export function gitlabStatus(report: StatusReport, connection: ForgeConnection): StatusRequest {
  const body: GitlabStatus = {
    state: STATES[report.state],
    name: cut(report.context, MAX_TEXT),
    description: cut(report.description, MAX_TEXT),
    target_url: report.url,
    ...(report.ref !== undefined && { ref: report.ref }),
  };
  const path = `/projects/${encodeURIComponent(report.repository)}/statuses/${report.commit}`;
  return jsonRequest('POST', connection, path, { 'private-token': connection.token }, body);
}

/**
 * GitLab refuses a state that the status already has, or has passed, with 400 and `Cannot transition status via :run from :running`.
 * There is no error code to recognise it by.
 */
export function gitlabAlreadyReported(status: number, body: string): boolean {
  return status === 400 && body.includes('Cannot transition status via');
}

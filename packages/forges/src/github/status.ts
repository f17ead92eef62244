import type { Endpoints } from '@octokit/types';
import {
  cut,
  escapedPath,
  type ForgeConnection,
  jsonRequest,
  type ReportedState,
  type StatusReport,
  type StatusRequest,
} from '../status/report.ts';

type CommitStatus = Pick<
  Endpoints['POST /repos/{owner}/{repo}/statuses/{sha}']['parameters'],
  'state' | 'context' | 'description' | 'target_url'
>;
type CheckRun = Pick<
  Endpoints['POST /repos/{owner}/{repo}/check-runs']['parameters'],
  'name' | 'head_sha' | 'status' | 'conclusion' | 'details_url' | 'external_id' | 'output'
>;

/** GitHub refuses longer descriptions of a commit status. */
const MAX_DESCRIPTION = 140;

const STATES = {
  pending: 'pending',
  running: 'pending',
  succeeded: 'success',
  failed: 'failure',
  canceled: 'error',
  error: 'error',
} as const satisfies Record<ReportedState, CommitStatus['state']>;

const CHECKS = {
  pending: { status: 'queued' },
  running: { status: 'in_progress' },
  succeeded: { status: 'completed', conclusion: 'success' },
  failed: { status: 'completed', conclusion: 'failure' },
  canceled: { status: 'completed', conclusion: 'cancelled' },
  error: { status: 'completed', conclusion: 'neutral' },
} as const satisfies Record<ReportedState, Pick<CheckRun, 'status' | 'conclusion'>>;

export function githubStatus(report: StatusReport, connection: ForgeConnection): StatusRequest {
  const headers = {
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    authorization: `Bearer ${connection.token}`,
  };
  const repos = `/repos/${escapedPath(report.repository)}`;
  if (connection.checks) {
    const { remoteId } = report;
    const [method, path] =
      remoteId === undefined
        ? (['POST', `${repos}/check-runs`] as const)
        : (['PATCH', `${repos}/check-runs/${encodeURIComponent(remoteId)}`] as const);
    return jsonRequest(method, connection, path, headers, checkRunOf(report));
  }
  const body: CommitStatus = {
    state: STATES[report.state],
    context: report.context,
    description: cut(report.description, MAX_DESCRIPTION),
    target_url: report.url,
  };
  return jsonRequest('POST', connection, `${repos}/statuses/${report.commit}`, headers, body);
}

function checkRunOf({ context, commit, state, description, url, buildId }: StatusReport): CheckRun {
  return {
    name: context,
    head_sha: commit,
    ...CHECKS[state],
    details_url: url,
    external_id: buildId,
    output: { title: cut(description, MAX_DESCRIPTION), summary: description },
  };
}

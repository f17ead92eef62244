import type { CreateStatusOption } from 'gitea-js';
import {
  cut,
  escapedPath,
  type ForgeConnection,
  jsonRequest,
  type ReportedState,
  type StatusReport,
  type StatusRequest,
} from '../status/report.ts';

const MAX_DESCRIPTION = 255;

const STATES = {
  pending: 'pending',
  running: 'pending',
  succeeded: 'success',
  failed: 'failure',
  canceled: 'warning',
  error: 'error',
} as const satisfies Record<ReportedState, `${NonNullable<CreateStatusOption['state']>}`>;

export function giteaStatus(report: StatusReport, connection: ForgeConnection): StatusRequest {
  const body = {
    state: STATES[report.state],
    context: report.context,
    description: cut(report.description, MAX_DESCRIPTION),
    target_url: report.url,
  } satisfies Record<keyof CreateStatusOption, string>;
  const path = `/repos/${escapedPath(report.repository)}/statuses/${report.commit}`;
  return jsonRequest('POST', connection, path, { authorization: `token ${connection.token}` }, body);
}

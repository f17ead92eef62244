import type { ProblemCode } from '../http/problem.ts';

/** What all problems with one code have in common. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/** One status and one title for each code. */
export const PROBLEM_KINDS: Readonly<Record<ProblemCode, ProblemKind>> = {
  malformed_http: { status: 400, title: 'The request is not valid HTTP' },
  headers_too_large: { status: 431, title: 'The header fields are too large' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_multipart: { status: 400, title: 'The body is not valid multipart/form-data' },
  invalid_request: { status: 400, title: 'The request is not valid' },
  unsupported_media_type: { status: 415, title: 'The media type of the body is not supported' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unauthorized: { status: 401, title: 'A valid credential is required' },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  build_not_found: { status: 404, title: 'There is no such build' },
  log_not_found: { status: 404, title: 'There is no log' },
  artifact_not_found: { status: 404, title: 'There is no artifact' },
  context_not_found: { status: 404, title: 'There is no such context' },
  context_invalid: { status: 422, title: 'The context is refused' },
  context_incomplete: { status: 400, title: 'The context arrived incomplete' },
  tree_part_not_found: { status: 404, title: 'There is no such directory or file' },
  tree_incomplete: { status: 422, title: 'The directory names something that is not stored' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key belongs to another request' },
  not_retriable: { status: 409, title: 'The build cannot be retried' },
  already_finished: { status: 409, title: 'The build has already ended' },
  host_not_found: { status: 404, title: 'There is no such host' },
  host_busy: { status: 409, title: 'The host still has builds' },
  task_not_found: { status: 404, title: 'There is no such task' },
  too_many_tasks: { status: 429, title: 'Too many tasks wait for the host' },
  join_impossible: { status: 409, title: 'This Kiln is not configured for workers to join' },
  token_not_found: { status: 404, title: 'There is no such token' },
  secret_not_found: { status: 404, title: 'There is no such secret' },
  secret_missing: { status: 422, title: 'The build names a secret that does not exist' },
  too_many_secrets: { status: 409, title: 'The team has reached its limit of secrets' },
  schedule_not_found: { status: 404, title: 'There is no such schedule' },
  schedule_exists: { status: 409, title: 'A schedule with this name already exists' },
  target_refused: { status: 403, title: 'This git server or registry is not allowed' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  queue_full: { status: 429, title: 'Too many builds are queued' },
  connection_not_found: { status: 404, title: 'There is no such connection' },
  delivery_not_found: { status: 404, title: 'There is no such delivery' },
  webhook_not_found: { status: 404, title: 'There is no such webhook' },
  message_not_found: { status: 404, title: 'There is no such message' },
  disk_full: { status: 507, title: 'The disk is full' },
  store_full: { status: 503, title: 'Kiln is out of memory at the moment' },
  storage_full: { status: 507, title: 'The blob store is full' },
  storage_quota_exceeded: { status: 403, title: 'The team has reached its storage limit' },
  unavailable: { status: 503, title: 'Kiln cannot answer at the moment' },
  internal: { status: 500, title: 'Kiln failed to answer' },
};

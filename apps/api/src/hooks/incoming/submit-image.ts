import { buildRequest, type EventOutcome, fieldProblems } from '@kiln/contracts';
import { splitReference } from '@kiln/domain';
import { CONTEXT_PREFIX, type ImageVerdict, type Occasion } from '@kiln/forges';
import type { AuditLog, ReportTarget, StoredConnection, StoredDelivery } from '@kiln/state';
import { admitRequest } from '../../access/admit-request.ts';
import { type Accepted, type SubmissionDeps, submitBuild } from '../../builds/submit-build.ts';
import { ApiProblem, codeOf } from '../../http/api-problem.ts';
import type { HookDeps } from '../ports.ts';
import { connectionPrincipal } from './connection-principal.ts';
import { gitSecret } from './repository-config.ts';

export type ImageOutcome = EventOutcome['images'][number];
type Wanted = Extract<ImageVerdict, { outcome: 'build' }>;

export interface SubmitImageParts extends SubmissionDeps, Pick<HookDeps, 'reports' | 'hookQueues'> {
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface ImageContext {
  readonly connection: StoredConnection;
  readonly delivery: StoredDelivery;
  /** Which of the delivery's events it is. */
  readonly index: number;
  readonly occasion: Occasion;
  readonly repository: string;
  /** In full. */
  readonly commit: string;
}

/**
 * Submits the build of an image in the same way as `POST /v1/builds`, and has it reported. What is refused for good is its outcome.
 * @throws what may pass
 */
export async function submitImage(wanted: Wanted, at: ImageContext, parts: SubmitImageParts): Promise<ImageOutcome> {
  const { image, trust, notes } = wanted;
  const refused = (why: string): ImageOutcome => ({ image, outcome: 'refused', why, notes: [...notes] });
  const principal = connectionPrincipal(at.connection, trust);
  // Those that Kiln keeps are named in the request, and read when it starts.
  const secrets = trust === 'untrusted' ? {} : gitSecret(at.occasion, at.connection);
  const { concurrencyKey, supersede, ...rest } = wanted.request;
  const planned = { ...rest, secrets, ...(supersede && { concurrencyKey, supersede }) };
  const request = buildRequest.safeParse(planned);
  if (!request.success) {
    const [first] = fieldProblems(request.error, planned);
    return refused(`${first?.field}: holds ${first?.got}, expected ${first?.expected}`);
  }
  // Of untrusted builds the plan has left only those tags that the connection's operator lets them push.
  const own = request.data.tags.map((tag) => ({ pattern: splitReference(tag).name }));
  const untrustedPush = [...parts.untrustedPush, ...own];
  const key = { space: 'hook', key: `${at.delivery.id}-${at.index}-${image}` } as const;
  try {
    const admitted = admitRequest(request.data, request.data.team, principal, untrustedPush);
    const rules = await parts.rulesFor(principal, admitted.team);
    await rules.checkTargets(admitted);
    const submission = { request: admitted, [Symbol.asyncDispose]: async () => {} };
    const { build, replayed } = await submitBuild(submission, key, { ...parts, principal, rules, untrustedPush });
    if (!replayed) await note(build, at, parts);
    await report(build.record.id, image, at, parts);
    return { image, outcome: 'built', build: build.record.id, notes: [...notes] };
  } catch (error) {
    // Accepted by an earlier try that saw the connection, or its secrets, as they were then.
    if (codeOf(error) === 'idempotency_key_reused') {
      const { buildId } = error as Error & { readonly buildId: string };
      await report(buildId, image, at, parts);
      return { image, outcome: 'built', build: buildId, notes: [...notes] };
    }
    if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) return refused(error.message);
    throw error;
  }
}

/** What was built on a forge's behalf is in the audit log as if it had come by `POST /v1/builds`. */
async function note(
  { record: { id, team, repo, trust = 'trusted' } }: Accepted['build'],
  { connection, delivery }: ImageContext,
  { audit }: SubmitImageParts,
): Promise<void> {
  const { name } = connection;
  await audit.append({
    actor: { kind: 'connection', id: `connection:${name}`, name, team: connection.team },
    ...{ action: 'submitBuild', target: id, outcome: 'done', status: 202, ip: delivery.ip, requestId: delivery.id },
    details: { team, repo, trust, delivery: delivery.id },
  });
}

async function report(
  build: string,
  image: string,
  { connection, repository, commit, occasion }: ImageContext,
  { reports, hookQueues }: SubmitImageParts,
): Promise<void> {
  if (connection.secrets.api === undefined) return;
  const target: ReportTarget = {
    ...{ connection: connection.name, repository, commit, context: `${CONTEXT_PREFIX}${image}` },
    ...(occasion.on !== 'pull_request' && { ref: occasion.name }),
  };
  await hookQueues.reportStatus(await reports.track(target, build));
}

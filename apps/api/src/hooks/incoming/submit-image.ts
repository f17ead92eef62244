import { type BuildRequest, buildRequest, type EventOutcome, fieldProblems } from '@kiln/contracts';
import {
  CONTEXT_PREFIX,
  cacheByDefault,
  gitSecret,
  type ImageVerdict,
  type Occasion,
  reportsStatuses,
} from '@kiln/forges';
import { GitFailed, type GitSource } from '@kiln/git';
import type { AuditLog, ReportTarget, StoredConnection, StoredDelivery } from '@kiln/state';
import { admitRequest } from '../../access/admit-request.ts';
import { defaultMode } from '../../builds/default-mode.ts';
import { type Accepted, type SubmissionDeps, submitBuild } from '../../builds/submit-build.ts';
import { ApiProblem, codeOf } from '../../http/api-problem.ts';
import { pushRules } from '../connections/connection-push-rules.ts';
import type { HookDeps } from '../ports.ts';
import { connectionPrincipal } from './connection-principal.ts';
import type { ForkContexts } from './fork-contexts.ts';

export type ImageOutcome = EventOutcome['images'][number];
type Wanted = Extract<ImageVerdict, { outcome: 'build' }>;

export interface SubmitImageDeps extends SubmissionDeps, Pick<HookDeps, 'reports' | 'hookQueues'> {
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface ImageContext {
  readonly connection: StoredConnection;
  readonly delivery: StoredDelivery;
  /** The index of the event in the delivery. */
  readonly index: number;
  readonly occasion: Occasion;
  readonly repository: string;
  /** The full commit id. */
  readonly commit: string;
  /** With which the source is cloned. Untrusted builds don't get them. */
  readonly credentials: GitSource['credentials'];
  /** The context to build from instead of the source, for forks of private repositories. */
  readonly forkContexts: ForkContexts | undefined;
  /** Id of the pull request that is built. */
  readonly pullRequest: string | undefined;
}

/**
 * Submits the build of an image in the same way as `POST /v1/builds`, and starts to report its status. A request that is refused for good is
 * an outcome.
 * @throws an error that may pass
 */
export async function submitImage(wanted: Wanted, at: ImageContext, parts: SubmitImageDeps): Promise<ImageOutcome> {
  const { image, trust } = wanted;
  const notes = [...wanted.notes];
  const refused = (why: string): ImageOutcome => ({ image, outcome: 'refused', why, notes: [...notes] });
  const principal = connectionPrincipal(at.connection, trust);
  // Stored secrets are only named in the request, and read when the build starts.
  const secrets = trust === 'untrusted' ? {} : gitSecret(at.occasion.source.url, at.credentials);
  const { concurrencyKey, supersede, ...rest } = wanted.request;
  const { source } = rest;
  const { forkContexts, pullRequest } = at;
  const subdir = source.type === 'git' ? source.subdir : undefined;
  const planned = {
    ...rest,
    ...(forkContexts && { source: { type: 'upload', name: forkContexts.nameOf(subdir) } }),
    secrets,
    ...(supersede && { concurrencyKey, supersede }),
  };
  const request = buildRequest.safeParse(planned);
  if (!request.success) {
    const [first] = fieldProblems(request.error, planned);
    return refused(`${first?.field}: got ${first?.got}, expected ${first?.expected}`);
  }
  // The plan has removed the tags that the connection's settings don't let untrusted builds push.
  const untrustedPush = [...parts.untrustedPush, ...pushRules(request.data.tags)];
  const key = { space: 'hook', key: `${at.delivery.id}-${at.index}-${image}` } as const;
  try {
    const asked = await withDefaultMode(request.data, at.occasion, notes, parts);
    const admitted = admitRequest(asked, asked.team, principal, untrustedPush);
    const rules = await parts.rulesFor(principal, admitted.team);
    await rules.checkTargets(admitted);
    await using context = await forkContexts?.stage(subdir, rules.share);
    const submission = { request: admitted, ...(context && { context }), [Symbol.asyncDispose]: async () => {} };
    const clonesWith =
      Object.keys(secrets).length > 0 ? { connection: at.connection.name, repository: at.repository } : undefined;
    const deps = { ...parts, principal, rules, untrustedPush, pullRequest, clonesWith };
    const { build, replayed } = await submitBuild(submission, key, deps);
    if (!replayed) await audited(build, at, parts);
    await report(build.record.id, image, at, parts);
    return { image, outcome: 'built', build: build.record.id, notes: [...notes] };
  } catch (error) {
    // An earlier try was accepted, before the connection or its secrets changed.
    if (codeOf(error) === 'idempotency_key_reused') {
      const { buildId } = error as Error & { readonly buildId: string };
      await report(buildId, image, at, parts);
      return { image, outcome: 'built', build: buildId, notes: [...notes] };
    }
    if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) return refused(error.message);
    if (error instanceof GitFailed && error.fault === 'subdir_missing') return refused(error.message);
    throw error;
  }
}

/** Gives a request that names no caches those of its repo's default mode: an archive is then named after the branch. */
async function withDefaultMode(
  request: BuildRequest,
  occasion: Occasion,
  notes: string[],
  { modeDefaults }: Pick<SubmitImageDeps, 'modeDefaults'>,
): Promise<BuildRequest> {
  const mode = request.cache ? undefined : await defaultMode(request, modeDefaults);
  if (mode === undefined) return request;
  const byDefault = cacheByDefault(mode, request.tags, occasion);
  notes.push(...byDefault.notes);
  return { ...request, cache: byDefault.cache };
}

/** Adds a build to the audit log, as `POST /v1/builds` does. */
async function audited(
  { record: { id, team, repo, trust = 'trusted' } }: Accepted['build'],
  { connection, delivery }: ImageContext,
  { audit }: SubmitImageDeps,
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
  { reports, hookQueues }: SubmitImageDeps,
): Promise<void> {
  if (!reportsStatuses(connection)) return;
  const target: ReportTarget = {
    ...{ connection: connection.name, repository, commit, context: `${CONTEXT_PREFIX}${image}` },
    ...(occasion.on !== 'pull_request' && { ref: occasion.name }),
  };
  await hookQueues.reportStatus(await reports.track(target, build));
}

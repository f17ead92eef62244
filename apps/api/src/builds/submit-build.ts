import { noteUse } from '@kiln/blobs';
import { type BuildRequest, type BuildSpec, contextKey } from '@kiln/contracts';
import { isTerminal, leastTrust, type Principal, type PushRule, repoKey } from '@kiln/domain';
import {
  type BuildSecretReader,
  type ContextTeams,
  type Idempotency,
  type MeteredBlobs,
  type NewBuild,
  QueueFull,
  type StoredBuild,
} from '@kiln/state';
import { grantTo } from '../access/admit-request.ts';
import { requireContext, requireGrant } from '../contexts/stage-context.ts';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { type BuildRules, queueFull } from '../limits/build-rules.ts';
import type { Builds } from '../ports.ts';
import { requireSecrets } from '../secrets/require-secrets.ts';
import { buildNotFound } from './find-build.ts';
import { fingerprint, hashed } from './fingerprint.ts';
import type { Submission } from './receive-submission.ts';

export interface Accepted {
  readonly build: StoredBuild;
  /** Whether an earlier request with the same idempotency key was accepted. */
  readonly replayed: boolean;
}

/** An idempotency key, and who chose it. */
export type RequestKey = Pick<Idempotency, 'space' | 'key'>;

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** What every submission needs, whether over HTTP, by a schedule or by a webhook. */
export interface SubmissionDeps {
  readonly builds: Builds;
  readonly blobs: Pick<MeteredBlobs, 'touch' | 'share'>;
  readonly contextTeams: Pick<ContextTeams, 'grant' | 'has'>;
  /** For how long a context is kept after its last use, ms. A team may name it for twice as long. */
  readonly contextRetentionMs: number;
  readonly buildSecrets: Pick<BuildSecretReader, 'refusals'>;
  /** Images that untrusted builds may push. */
  readonly untrustedPush: readonly PushRule[];
  readonly rulesFor: (principal: Principal, team: string) => Promise<BuildRules>;
}

export interface SubmitDeps extends Omit<SubmissionDeps, 'rulesFor'> {
  readonly principal: Principal;
  /** The rules for the principal and the request's team. */
  readonly rules: BuildRules;
  /** Id of the pull request whose closing cancels the build. */
  readonly pullRequest?: string | undefined;
  readonly clonesWith?: NewBuild['clonesWith'];
}

/** Accepts a submission; on return, build and context are durable. @throws ApiProblem, StorageQuotaExceeded; the stores' errors */
export async function submitBuild(
  { request, context }: Submission,
  key: RequestKey | undefined,
  {
    builds,
    blobs,
    contextTeams,
    contextRetentionMs,
    buildSecrets,
    principal,
    rules,
    untrustedPush,
    pullRequest,
    clonesWith,
  }: SubmitDeps,
): Promise<Accepted> {
  checkKey(key);
  await requireSecrets(request, principal.trust, buildSecrets);
  const digest = context?.digest ?? (request.source.type === 'upload' ? request.source.digest : undefined);
  if (context) {
    checkContextSize(context.sizeBytes, rules);
    await context.keep(rules.share);
  } else if (digest !== undefined) {
    await requireGrant(digest, principal, contextTeams);
    const { sizeBytes } = await requireContext(digest, blobs, contextRetentionMs);
    checkContextSize(sizeBytes, rules);
    await blobs.share(contextKey(digest), rules.share);
  }
  if (digest !== undefined) await contextTeams.grant(digest, request.team, 2 * contextRetentionMs);
  const { secrets, ...rest } = request;
  const spec: BuildSpec = { ...rest, source: sourceOf(request, context?.digest), secrets: Object.keys(secrets).sort() };
  const granted = grantTo(spec, principal.trust, untrustedPush);
  return accept(builds, {
    ...rules.acceptance,
    repo: repoOf(spec),
    spec,
    secrets,
    trust: principal.trust,
    ...(granted && { granted }),
    ...(pullRequest !== undefined && { pullRequest }),
    ...(clonesWith && { clonesWith }),
    ...(key && { idempotency: { ...key, fingerprint: fingerprint({ spec, secrets: hashed(secrets) }) } }),
  });
}

export interface RetryDeps
  extends Pick<
    SubmissionDeps,
    'builds' | 'blobs' | 'contextRetentionMs' | 'buildSecrets' | 'untrustedPush' | 'rulesFor'
  > {
  readonly principal: Principal;
  /** What connections to forges let this untrusted build push. */
  readonly connectionRules: (spec: BuildSpec) => Promise<readonly PushRule[]>;
}

/** Accepts the request of an ended build as a new build. @throws ApiProblem `build_not_found`, `not_retriable`, `forbidden`, `secret_missing` */
export async function retryBuild(
  id: string,
  key: RequestKey | undefined,
  { builds, blobs, contextRetentionMs, buildSecrets, principal, rulesFor, untrustedPush, connectionRules }: RetryDeps,
): Promise<Accepted> {
  checkKey(key);
  const old = await builds.get(id);
  if (!old) throw buildNotFound(id);
  const { record, spec } = old;
  if (!isTerminal(record.state)) throw notRetriable('state', record.state, 'succeeded, failed or canceled');
  const trust = leastTrust(record.trust, principal.trust);
  // Pushes of a fork's build were allowed by its connection, if not by the server.
  const fromConnections = record.trust === 'untrusted' && record.granted?.push ? await connectionRules(spec) : [];
  const granted = grantTo(spec, trust, [...untrustedPush, ...fromConnections]);
  await requireSecrets(spec, trust, buildSecrets);
  const rules = await rulesFor(principal, record.team);
  await rules.checkTargets(spec);
  if (spec.source.type === 'upload') {
    const context = await noteUse(blobs, contextKey(spec.source.digest ?? ''), contextRetentionMs);
    if (context) checkContextSize(context.sizeBytes, rules);
    else
      throw notRetriable(
        'source.digest',
        'a context that is no longer stored',
        'a new build with the context uploaded again',
      );
  }
  const secrets = spec.secrets.length > 0 ? await builds.secretsOf(id) : {};
  if (!secrets) throw notRetriable('secrets', 'secrets that are no longer stored', 'a new build with its secrets');
  return accept(builds, {
    ...rules.acceptance,
    repo: record.repo,
    spec,
    secrets,
    trust,
    ...(granted && { granted }),
    retryOf: id,
    ...(record.pullRequest !== undefined && { pullRequest: record.pullRequest }),
    ...(record.clonesWith && { clonesWith: record.clonesWith }),
    ...(key && { idempotency: { ...key, fingerprint: fingerprint({ retryOf: id }) } }),
  });
}

/** @throws ApiProblem `queue_full` */
async function accept(builds: Builds, build: NewBuild): Promise<Accepted> {
  try {
    return await builds.accept(build);
  } catch (error) {
    throw error instanceof QueueFull ? queueFull(error.whose, error.limit) : error;
  }
}

/** @throws ApiProblem `body_too_large` */
function checkContextSize(sizeBytes: number, { contextBytes }: BuildRules): void {
  if (contextBytes === undefined || sizeBytes <= contextBytes) return;
  throw fieldProblem('body_too_large', 'context', `${sizeBytes} bytes`, `at most ${contextBytes} bytes`);
}

function notRetriable(field: string, got: string, expected: string): ApiProblem {
  return new ApiProblem('not_retriable', `${field}: got ${got}, expected ${expected}`, {
    errors: [{ field, got, expected }],
  });
}

/** Checks the form of a caller's key; Kiln's own keys consist of names that are already checked. @throws ApiProblem `invalid_request` */
function checkKey(given: RequestKey | undefined): void {
  if (given?.space !== 'request' || IDEMPOTENCY_KEY.test(given.key)) return;
  throw fieldProblem(
    'invalid_request',
    'header Idempotency-Key',
    given.key.slice(0, 300),
    '1 to 255 visible ASCII characters',
  );
}

function sourceOf({ source }: BuildRequest, digest: string | undefined): BuildSpec['source'] {
  return source.type === 'upload' && digest !== undefined ? { ...source, digest } : source;
}

function repoOf({ source, dockerfile }: BuildSpec): string {
  return source.type === 'git'
    ? repoKey({ origin: source.url, subdir: source.subdir, dockerfile })
    : repoKey({ origin: source.name, dockerfile });
}

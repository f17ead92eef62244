import { noteUse, type TreeStore } from '@kiln/blobs';
import {
  type BuildRequest,
  type BuildSpec,
  cacheOfMode,
  contextKey,
  timedEntries,
  uploadedTrees,
  withoutDirectoryTimes,
} from '@kiln/contracts';
import { creatorOf, isTerminal, leastTrust, type Principal, type PushRule, parseTraceparent } from '@kiln/domain';
import {
  type BuildSecretReader,
  type Idempotency,
  type MeteredBlobs,
  type ModeDefaults,
  type NewBuild,
  QueueFull,
  type StoredBuild,
} from '@kiln/state';
import type { Digest } from '@kiln/trees';
import { grantTo } from '../access/admit-request.ts';
import { dockerfilePlatforms } from '../contexts/dockerfile-platforms.ts';
import { requireContexts, requireTree } from '../contexts/require-tree.ts';
import type { StagedContext } from '../contexts/stage-context.ts';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { type BuildRules, queueFull } from '../limits/build-rules.ts';
import type { Builds } from '../ports.ts';
import { requireSecrets } from '../secrets/require-secrets.ts';
import { keptLogins, loginsOfRetry } from './client-logins.ts';
import { defaultMode, repoOf } from './default-mode.ts';
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
  readonly trees: Pick<TreeStore, 'tree' | 'file' | 'directory' | 'open'>;
  /** Has the contexts that were uploaded to an older version. */
  readonly blobs: Pick<MeteredBlobs, 'touch'>;
  /** For how long a context is kept after its last use, ms. */
  readonly contextRetentionMs: number;
  readonly buildSecrets: Pick<BuildSecretReader, 'refusals'>;
  readonly modeDefaults: Pick<ModeDefaults, 'first'>;
  /** Images that untrusted builds may push. */
  readonly untrustedPush: readonly PushRule[];
  /** Whether builds get the registry logins that their clients send. */
  readonly takesClientLogins: boolean;
  readonly rulesFor: (principal: Principal, team: string) => Promise<BuildRules>;
}

export interface SubmitDeps extends Omit<SubmissionDeps, 'rulesFor'> {
  readonly principal: Principal;
  /** The rules for the principal and the request's team. */
  readonly rules: BuildRules;
  /** Id of the pull request whose closing cancels the build. */
  readonly pullRequest?: string | undefined;
  readonly clonesWith?: NewBuild['clonesWith'];
  /** The caller's `traceparent`. */
  readonly traceparent?: string | undefined;
}

/**
 * Stores the context that was sent with a submission, if any, which may take as long as its upload; `submitBuild` does the rest, which is soon done.
 * @throws ApiProblem, StorageQuotaExceeded; the stores' errors
 */
export async function keepContext(
  { request, context }: Submission,
  key: RequestKey | undefined,
  { buildSecrets, principal, rules }: Pick<SubmitDeps, 'buildSecrets' | 'principal' | 'rules'>,
): Promise<void> {
  if (!context) return;
  // What is refused anyway isn't stored.
  checkKey(key);
  await requireSecrets(request, principal.trust, buildSecrets);
  checkContextSize(Math.max(context.sizeBytes, context.tree.fileBytes), rules);
  await context.keep(rules.share);
}

/** Accepts a submission; on return, build and context are durable. @throws ApiProblem, StorageQuotaExceeded; the stores' errors */
export async function submitBuild(
  { request, context }: Submission,
  key: RequestKey | undefined,
  {
    builds,
    trees,
    buildSecrets,
    modeDefaults,
    principal,
    rules,
    untrustedPush,
    takesClientLogins,
    pullRequest,
    clonesWith,
    traceparent,
  }: Omit<SubmitDeps, 'blobs' | 'contextRetentionMs'>,
): Promise<Accepted> {
  checkKey(key);
  await requireSecrets(request, principal.trust, buildSecrets);
  const source = await keptSource(request, context, trees, rules);
  checkContextSize(await requireContexts(request, trees), rules, 'buildContexts');
  const { secrets, registryLogins, ...rest } = request;
  const { clientLogins, logins } = keptLogins({ registryLogins }, principal.trust, takesClientLogins);
  const asked: BuildSpec = {
    ...{ ...rest, source, secrets: Object.keys(secrets).sort() },
    ...(clientLogins && { clientLogins }),
  };
  const cache = asked.cache ?? cacheOfMode((await defaultMode(asked, modeDefaults)) ?? 'warm', asked.tags);
  const spec: BuildSpec = { ...asked, ...(cache && { cache }) };
  const granted = grantTo(spec, principal.trust, untrustedPush);
  const runs = await dockerfilePlatforms(spec, trees);
  return accept(builds, {
    ...rules.acceptance,
    trace: traceOf(rules.acceptance.trace, traceparent),
    repo: repoOf(spec),
    spec,
    secrets,
    ...(runs && { runPlatforms: runs }),
    ...(logins && { logins }),
    trust: principal.trust,
    createdBy: creatorOf(principal),
    ...(granted && { granted }),
    ...(pullRequest !== undefined && { pullRequest }),
    ...(clonesWith && { clonesWith }),
    ...(key && {
      idempotency: {
        ...key,
        fingerprint: fingerprint({ spec: withoutDirectoryTimes(asked), secrets: hashed(secrets) }),
      },
    }),
  });
}

/** The trace that a build becomes part of: the caller's, unless it doesn't record that, or one of its own. Undefined if the API traces no builds. */
function traceOf(own: NewBuild['trace'], traceparent: string | undefined): NewBuild['trace'] {
  const given = own && traceparent !== undefined ? parseTraceparent(traceparent) : undefined;
  if (!given) return own;
  return given.sampled ? given.trace : undefined;
}

export interface RetryDeps
  extends Pick<
    SubmissionDeps,
    | ('builds' | 'trees' | 'blobs' | 'contextRetentionMs' | 'buildSecrets')
    | ('untrustedPush' | 'takesClientLogins' | 'rulesFor')
  > {
  readonly principal: Principal;
  /** What connections to forges let this untrusted build push. */
  readonly connectionRules: (spec: BuildSpec) => Promise<readonly PushRule[]>;
}

/** Accepts the request of an ended build as a new build. @throws ApiProblem `build_not_found`, `not_retriable`, `forbidden`, `secret_missing` */
export async function retryBuild(
  id: string,
  asked: Pick<BuildRequest, 'registryLogins'>,
  key: RequestKey | undefined,
  deps: RetryDeps,
): Promise<Accepted> {
  const { builds, buildSecrets, principal, rulesFor, untrustedPush, connectionRules } = deps;
  checkKey(key);
  const old = await builds.get(id);
  if (!old) throw buildNotFound(id);
  const { record } = old;
  if (!isTerminal(record.state)) throw notRetriable('state', record.state, 'succeeded, failed or canceled');
  const trust = leastTrust(record.trust, principal.trust);
  const { clientLogins: before, ...repeated } = old.spec;
  const { clientLogins, logins } = loginsOfRetry(before, asked, trust, deps.takesClientLogins);
  const spec: BuildSpec = { ...repeated, ...(clientLogins && { clientLogins }) };
  // Pushes of a fork's build were allowed by its connection, if not by the server.
  const fromConnections = record.trust === 'untrusted' && record.granted?.push ? await connectionRules(spec) : [];
  const granted = grantTo(spec, trust, [...untrustedPush, ...fromConnections]);
  await requireSecrets(spec, trust, buildSecrets);
  const rules = await rulesFor(principal, record.team);
  await rules.checkTargets(spec);
  await requireStored(spec, rules, deps);
  const secrets = spec.secrets.length > 0 ? await builds.secretsOf(id) : {};
  if (!secrets) throw notRetriable('secrets', 'secrets that are no longer stored', 'a new build with its secrets');
  return accept(builds, {
    ...rules.acceptance,
    repo: record.repo,
    spec,
    secrets,
    ...(logins && { logins }),
    trust,
    createdBy: creatorOf(principal),
    ...(granted && { granted }),
    ...(record.runPlatforms && { runPlatforms: record.runPlatforms }),
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
function checkContextSize(sizeBytes: number, { contextBytes }: BuildRules, field = 'context'): void {
  if (contextBytes === undefined || sizeBytes <= contextBytes) return;
  throw fieldProblem('body_too_large', field, `${sizeBytes} bytes`, `at most ${contextBytes} bytes`);
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

/** Stores the context that was sent, or checks that the team has the one that is named. Returns the source with its digests. */
async function keptSource(
  { source, team, dockerfile, mtimes }: BuildRequest,
  context: StagedContext | undefined,
  trees: SubmissionDeps['trees'],
  rules: BuildRules,
): Promise<BuildSpec['source']> {
  if (source.type === 'git') return source;
  if (context) {
    checkContextSize(Math.max(context.sizeBytes, context.tree.fileBytes), rules);
    await context.keep(rules.share);
    const times = await context.keepTimes(rules.share, timedEntries({ mtimes }));
    return { ...source, digest: context.tree.root, ...(times !== undefined && { times }) };
  }
  // The schema has checked their form.
  const [digest, times] = [source.digest as Digest, source.times as Digest | undefined];
  const { fileBytes } = await requireTree(team, { digest, times, timed: timedEntries({ mtimes }), dockerfile }, trees);
  checkContextSize(fileBytes, rules);
  return source;
}

interface StoredContext {
  readonly digest?: string | undefined;
  readonly times?: string | undefined;
}

/** Checks that all contexts of an ended build are still stored. @throws ApiProblem `not_retriable`, `body_too_large` */
async function requireStored(
  spec: BuildSpec,
  rules: BuildRules,
  { trees, blobs, contextRetentionMs }: Pick<RetryDeps, 'trees' | 'blobs' | 'contextRetentionMs'>,
): Promise<void> {
  const { team, source } = spec;
  const stored = async (field: string, { digest, times }: StoredContext) => {
    const tree = await trees.tree(team, digest as Digest);
    if (tree && (times === undefined || (await trees.file(team, times as Digest)))) return tree;
    // A tar that was uploaded to an older version.
    const tar = tree ? undefined : await noteUse(blobs, contextKey(digest ?? ''), contextRetentionMs);
    if (tar) return { fileBytes: tar.sizeBytes };
    const expected = 'a new build with the context uploaded again';
    throw notRetriable(`${field}.digest`, 'a context that is no longer stored', expected);
  };
  if (source.type === 'upload') checkContextSize((await stored('source', source)).fileBytes, rules);
  let contextBytes = 0;
  for (const { at, ...context } of uploadedTrees(spec)) {
    contextBytes += (await stored(at.join('.'), context)).fileBytes;
  }
  checkContextSize(contextBytes, rules, 'buildContexts');
}

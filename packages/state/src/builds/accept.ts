import { canonicalJson, withoutDirectoryTimes } from '@kiln/contracts';
import { type BuildRecord, isCommit, type Trust, traceIdOf } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { SUBJECT_KEPT_MS } from '../hooks/subject-store.ts';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { observerOf } from '../redis/observer.ts';
import { runScript } from '../redis/scripts.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { NewBuild } from '../types.ts';

export interface AcceptDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sealer: Sealer;
  /** How long an idempotency key is valid, ms. */
  readonly idempotencyTtlMs: number;
}

/** `superseding`: accepted, and older builds are due. `replayed`: the value of the idempotency key, `<build id> <fingerprint>`. */
export type Acceptance =
  | { readonly outcome: 'accepted' | 'superseding' | 'shared'; readonly record: BuildRecord }
  | { readonly outcome: 'full'; readonly whose: 'team' | 'token' }
  | { readonly outcome: 'store_full' }
  | { readonly outcome: 'replayed'; readonly held: string };

/** How many retries of a pull request's builds are canceled with it: the newest. */
const MAX_RETRIES = 200;
/** How often accepting starts over because the run that can be shared has changed. */
const MAX_TRIES = 20;

/** Accepts a build by one script, with a run of its own or sharing that of an identical build in flight. */
export async function acceptBuild(deps: AcceptDeps, build: NewBuild, id: string, now: number): Promise<Acceptance> {
  const { redis, keys } = deps;
  const shareKey = build.spec.dedupe ? shareDigest(deps.sealer, build) : '';
  for (let tries = 0, run = ''; tries < MAX_TRIES; tries++) {
    const record = newRecord(build, id, now, run);
    const answer = String(await runScript(redis, 'accept-build', ...acceptCall(deps, build, record, shareKey)));
    if (answer === 'accepted' || answer === 'superseding' || answer === 'shared') {
      observerOf(redis)?.accepted(record);
      return { outcome: answer, record };
    }
    if (answer === 'full team' || answer === 'full token') {
      return { outcome: 'full', whose: answer === 'full team' ? 'team' : 'token' };
    }
    if (answer === 'full store') return { outcome: 'store_full' };
    if (answer !== 'again') return { outcome: 'replayed', held: answer };
    // The run changed: try the current one, which the script may refuse to share, then without any.
    run = run === '' ? ((await redis.get(keys.share(shareKey))) ?? '') : '';
  }
  throw new Error(`the run to share with build ${id} changed ${MAX_TRIES} times while it was accepted`);
}

function acceptCall(
  { keys, sealer, idempotencyTtlMs }: AcceptDeps,
  { spec, secrets, logins = [], idempotency, submitter = '', maxQueued = {} }: NewBuild,
  record: BuildRecord,
  shareKey: string,
): [keys: string[], args: (string | number)[]] {
  const { id, team, trust = 'trusted', pullRequest, retryOf } = record;
  const own = keys.build(id);
  return [
    [
      own,
      idempotency ? keys.idempotency(JSON.stringify([idempotency.space, team, trust, idempotency.key])) : own,
      pullRequest !== undefined && retryOf !== undefined ? keys.subjectRetries(pullRequest) : own,
    ],
    [
      keys.prefix,
      id,
      JSON.stringify(record),
      JSON.stringify(spec),
      record.createdAt,
      team,
      keyDigest(record.repo),
      Object.keys(secrets).length > 0 ? sealer.seal(JSON.stringify(secrets), id) : '',
      idempotency ? `${id} ${idempotency.fingerprint}` : '',
      idempotencyTtlMs,
      spec.concurrencyKey === undefined ? '' : concurrencyDigest(team, trust, spec.concurrencyKey),
      spec.supersede ?? '',
      shareKey,
      record.sharedRun ?? '',
      mayMove(spec) ? '1' : '0',
      submitter,
      maxQueued.team ?? '',
      maxQueued.token ?? '',
      SUBJECT_KEPT_MS,
      MAX_RETRIES,
      logins.length > 0 ? sealer.seal(JSON.stringify(logins), loginContext(id)) : '',
    ],
  ];
}

/** The context of a build's sealed logins, in which its secrets don't open. */
export function loginContext(id: string): string {
  return `${id} logins`;
}

/** Identifies the builds that supersede each other. Includes the trust class, so that an untrusted build never ends a trusted one. */
function concurrencyDigest(team: string, trust: Trust, key: string): string {
  // Trusted builds keep the form of earlier versions, so that they supersede builds in flight during an upgrade.
  return keyDigest(trust === 'trusted' ? `${team} ${key}` : JSON.stringify([trust, team, key]));
}

function newRecord(
  {
    repo,
    spec,
    trust,
    granted,
    createdBy,
    retryOf,
    pullRequest,
    clonesWith,
    submitter,
    maxLogBytes,
    maxArtifactBytes,
    maxStoredBytes,
    queueTimeoutMs: defaultQueueTimeoutMs,
    runPlatforms,
    trace,
  }: NewBuild,
  id: string,
  now: number,
  run: string,
): BuildRecord {
  const { queueTimeoutSeconds } = spec;
  const queueTimeoutMs = queueTimeoutSeconds === undefined ? defaultQueueTimeoutMs : queueTimeoutSeconds * 1000;
  return {
    id,
    revision: 1,
    state: 'queued',
    repo,
    team: spec.team,
    ...(trust !== undefined && { trust }),
    ...(createdBy && { createdBy }),
    ...(submitter !== undefined && { submitter }),
    ...(maxLogBytes !== undefined && { maxLogBytes }),
    ...(maxArtifactBytes !== undefined && { maxArtifactBytes }),
    ...(maxStoredBytes !== undefined && { maxStoredBytes }),
    ...(runPlatforms && { runPlatforms }),
    // 0: without limit
    ...(queueTimeoutMs !== undefined && queueTimeoutMs > 0 && { queueTimeoutMs }),
    ...(granted !== undefined && { granted }),
    ...(spec.call && { isCall: true }),
    ...(spec.cache && spec.cache.mode !== 'warm' && { cacheMode: spec.cache.mode }),
    createdAt: now,
    queuedAt: now,
    attempts: [],
    ...(retryOf !== undefined && { retryOf }),
    ...(pullRequest !== undefined && { pullRequest }),
    ...(clonesWith && { clonesWith }),
    ...(trace && { trace: { id: traceIdOf(id), ...trace } }),
    ...(run !== '' && { sharedRun: run }),
  };
}

/** Identifies identical builds by their whole request and trust. Computed with a key, because it covers the values of secrets and logins. */
function shareDigest(sealer: Sealer, { spec, secrets, logins, trust = 'trusted', granted = {} }: NewBuild): string {
  return sealer.digest(
    canonicalJson({ spec: withoutDirectoryTimes(spec), secrets, trust, granted, ...(logins && { logins }) }),
  );
}

/** Whether the source may change: a branch, a tag or the remote HEAD. */
function mayMove({ source }: NewBuild['spec']): boolean {
  return source.type === 'git' && (source.ref === undefined || !isCommit(source.ref));
}

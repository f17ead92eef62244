import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AuditEntry,
  type BuildPage,
  type BuildRequestInput,
  type BuildView,
  buildPage,
  buildView,
  type CreatedToken,
  createdToken,
  type DrainOrder,
  type HostChange,
  type HostDetailView,
  type HostInfoView,
  hostDetail,
  hostList,
  hostView,
  type IdentifiedLogRecord,
  type JoinGrant,
  joinGrant,
  type LimitChange,
  type LimitList,
  type LimitView,
  limitList,
  limitView,
  type OwnLimits,
  ownLimits,
  type PlacementInfoView,
  placementView,
  type ResealReport,
  resealReport,
  type ScheduleChange,
  type ScheduleRequest,
  type ScheduleView,
  type SecretOrderInput,
  type SecretView,
  scheduleList,
  scheduleView,
  secretList,
  secretView,
  type TokenRequest,
  type TokenView,
  tokenList,
  tokenView,
  type WhoamiView,
  whoamiView,
} from '@kiln/contracts';
import type { z } from 'zod';
import { parseJson, readAnswer } from './answer.ts';
import { type AuditOptions, readAudit } from './audit.ts';
import { type FollowOptions, followLog } from './follow-log.ts';
import { HooksClient } from './hooks.ts';
import { type Ambience, isTransient, withRetry } from './retry.ts';
import { type Call, type TokenSource, Transport } from './transport.ts';
import { type ContextUpload, multipartBody } from './upload.ts';

export interface KilnClientOptions {
  /** Base URL of the API, such as `https://kiln.example.com`. */
  readonly url: string;
  readonly token?: TokenSource | undefined;
  /** For everything but uploads. Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** For tests. */
  readonly ambience?: Ambience | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends CallOptions {
  /** Sent with the request; without it the source must be git, or name a context that the API already has. */
  readonly context?: ContextUpload | undefined;
  /** Default: a new random one for each call of `submit`, the same for all of its tries. */
  readonly idempotencyKey?: string | undefined;
  /** How long to go on trying while the API doesn't answer, ms. Default 60 s. */
  readonly giveUpAfterMs?: number | undefined;
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
}

export interface ListOptions extends CallOptions {
  readonly repo?: string | undefined;
  readonly state?: BuildView['state'] | undefined;
  readonly team?: string | undefined;
  /** 1 to 200. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface WaitOptions extends CallOptions {
  /** How long to go on trying while the API doesn't answer, ms. Default 10 minutes for `waitForEnd`, 0 (one try) for `cancel`. */
  readonly giveUpAfterMs?: number | undefined;
}

export interface SecretFilter {
  readonly team?: string | undefined;
  /** A repository such as `github.com/acme/app`, or its URL. */
  readonly repo?: string | undefined;
}

export interface SecretName extends SecretFilter {
  readonly kind: SecretView['kind'];
  /** For `registry` and `git` the host. */
  readonly name: string;
}

/**
 * The answer to a cancel. `confirmed: false` says that the host has yet to stop the build. A confirmed build that hasn't ended goes
 * on for others that share its run: there is nothing to wait for.
 */
export interface CancelAnswer {
  readonly build: BuildView;
  readonly confirmed: boolean;
}

export interface Artifact {
  readonly body: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number | undefined;
}

const SUBMIT_GIVE_UP_MS = 60_000;
const WAIT_GIVE_UP_MS = 600_000;
/** One long poll; well below the time after which proxies and fetch itself give up on an answer. */
const POLL_SECONDS = 50;

const REAL_AMBIENCE: Ambience = {
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal && { signal }).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  },
  random: Math.random,
  now: () => performance.now(),
};

/**
 * Kiln's API, typed. Every method throws `KilnProblem` where the API refuses, `KilnUnreachable` where it doesn't answer,
 * `KilnBadAnswer` where the answer isn't the contract's, and the signal's reason when that aborts.
 */
export class KilnClient {
  /** Webhooks, in and out. */
  readonly hooks: HooksClient;
  readonly #transport: Transport;
  readonly #ambience: Ambience;

  constructor({ url, token, fetch: fetchImpl = fetch, ambience = REAL_AMBIENCE }: KilnClientOptions) {
    this.#transport = new Transport(url, token, fetchImpl);
    this.#ambience = ambience;
    this.hooks = new HooksClient((path, schema, call) => this.#json(path, schema, call));
  }

  get url(): string {
    return this.#transport.url;
  }

  /** Submits a build. Tries again while the API doesn't answer; the idempotency key sees to it that only one build comes of it. */
  submit(request: BuildRequestInput, options: SubmitOptions = {}): Promise<BuildView> {
    const { context, idempotencyKey = randomUUID(), giveUpAfterMs = SUBMIT_GIVE_UP_MS, signal, onRetry } = options;
    const headers = { 'idempotency-key': idempotencyKey };
    const retry = { giveUpAfterMs: context && !context.repeatable ? 0 : giveUpAfterMs, signal, onRetry };
    return withRetry(this.#ambience, retry, () =>
      context
        ? this.#upload(request, context, headers, signal)
        : this.#json('/v1/builds', buildView, {
            method: 'POST',
            headers: { ...headers, 'content-type': 'application/json' },
            body: JSON.stringify(request),
            signal,
          }),
    );
  }

  /** The build as it is now; with `waitSeconds` (0 to 300) when it has ended, or after so long. */
  get(id: string, { waitSeconds, signal }: CallOptions & { readonly waitSeconds?: number } = {}): Promise<BuildView> {
    return this.#json(buildPath(id), buildView, { query: { wait: waitSeconds }, signal });
  }

  /** The build when it has ended, however long that takes; outlasts restarts of the API. */
  async waitForEnd(id: string, { giveUpAfterMs = WAIT_GIVE_UP_MS, signal }: WaitOptions = {}): Promise<BuildView> {
    for (;;) {
      const build = await withRetry(this.#ambience, { giveUpAfterMs, signal }, () =>
        this.get(id, { waitSeconds: POLL_SECONDS, ...(signal && { signal }) }),
      );
      if (hasEnded(build)) return build;
    }
  }

  list({ signal, ...query }: ListOptions = {}): Promise<BuildPage> {
    return this.#json('/v1/builds', buildPage, { query, signal });
  }

  /** Throws a `KilnProblem` of code `already_finished` where there is nothing left to cancel. */
  cancel(id: string, { giveUpAfterMs = 0, signal }: WaitOptions = {}): Promise<CancelAnswer> {
    const path = `${buildPath(id)}/cancel`;
    return withRetry(this.#ambience, { giveUpAfterMs, signal }, async () => {
      const response = await this.#transport.call(path, { method: 'POST', signal });
      const build = readAnswer(path, buildView, parseJson(await this.#text(response, signal)));
      return { build, confirmed: response.status !== 202 };
    });
  }

  /** A new build of the same request. */
  retry(id: string, { signal }: CallOptions = {}): Promise<BuildView> {
    return this.#json(`${buildPath(id)}/retry`, buildView, { method: 'POST', signal });
  }

  /** See `followLog` in follow-log.ts. */
  followLog(id: string, options: FollowOptions = {}): AsyncGenerator<IdentifiedLogRecord> {
    return followLog(this.#transport, this.#ambience, id, options);
  }

  placement(id: string, { signal }: CallOptions = {}): Promise<PlacementInfoView> {
    return this.#json(`${buildPath(id)}/placement`, placementView, { signal });
  }

  /** The tar that a build with output `artifact` made. */
  async artifact(id: string, { signal }: CallOptions = {}): Promise<Artifact> {
    const response = await this.#transport.call(`${buildPath(id)}/artifact`, { signal });
    const length = response.headers.get('content-length');
    return { body: response.body ?? empty(), sizeBytes: length === null ? undefined : Number(length) };
  }

  async hosts({ signal }: CallOptions = {}): Promise<HostInfoView[]> {
    return (await this.#json('/v1/hosts', hostList, { signal })).hosts;
  }

  /** A host with what its caches hold. */
  host(name: string, { signal }: CallOptions = {}): Promise<HostDetailView> {
    return this.#json(hostPath(name), hostDetail, { signal });
  }

  /** Gives a host nothing new. Like all that is done with a host: throws a `KilnProblem` of code `host_not_found` where there is none. */
  cordonHost(name: string, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.#json(`${hostPath(name)}/cordon`, hostView, { method: 'POST', signal });
  }

  /** Gives it builds again: ends a cordon, a drain, and a removal under way. */
  uncordonHost(name: string, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.#json(`${hostPath(name)}/uncordon`, hostView, { method: 'POST', signal });
  }

  /** Has it finish what it holds, or after `deadlineSeconds` hand it back. Doesn't wait for that. */
  drainHost(name: string, { signal, ...order }: CallOptions & DrainOrder = {}): Promise<HostInfoView> {
    return this.#json(`${hostPath(name)}/drain`, hostView, { method: 'POST', ...jsonBody(order), signal });
  }

  /** Sets slots and labels over what the worker reports. */
  setHost(name: string, change: HostChange, { signal }: CallOptions = {}): Promise<HostInfoView> {
    return this.#json(hostPath(name), hostView, { method: 'PATCH', ...jsonBody(change), signal });
  }

  /**
   * Takes it out of the pool; its state is then `removed`, or with `force` `removing` while it hands back what it holds.
   * Throws a `KilnProblem` of code `host_busy` where it holds builds and isn't forced.
   */
  removeHost(
    name: string,
    { force, signal }: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<HostInfoView> {
    return this.#json(hostPath(name), hostView, { method: 'DELETE', query: { force }, signal });
  }

  /** What a worker needs to join under `name`; the token must be the join token. */
  join(name: string, { signal }: CallOptions = {}): Promise<JoinGrant> {
    return this.#json('/v1/workers/join', joinGrant, { method: 'POST', ...jsonBody({ name }), signal });
  }

  /** Needs the scope `admin`, as do the two below. The answer holds the token itself, this once. */
  createToken(request: TokenRequest, { signal }: CallOptions = {}): Promise<CreatedToken> {
    return this.#json('/v1/tokens', createdToken, { method: 'POST', ...jsonBody(request), signal });
  }

  /** Those that are not revoked, oldest first. */
  async tokens({ signal }: CallOptions = {}): Promise<TokenView[]> {
    return (await this.#json('/v1/tokens', tokenList, { signal })).tokens;
  }

  /** Throws a `KilnProblem` of code `token_not_found` where there is none. */
  revokeToken(id: string, { signal }: CallOptions = {}): Promise<TokenView> {
    return this.#json(`/v1/tokens/${encodeURIComponent(id)}`, tokenView, { method: 'DELETE', signal });
  }

  /** Keeps a secret, a registry login or a git token, in place of the one of that name. Needs the scope `secrets:write`. */
  setSecret(order: SecretOrderInput, { signal }: CallOptions = {}): Promise<SecretView> {
    return this.#json('/v1/secrets', secretView, { method: 'PUT', ...jsonBody(order), signal });
  }

  /** Those of a team, or of all that the token sees; none with its value. */
  async secrets({ signal, ...query }: CallOptions & SecretFilter = {}): Promise<SecretView[]> {
    return (await this.#json('/v1/secrets', secretList, { query, signal })).secrets;
  }

  /** Throws a `KilnProblem` of code `secret_not_found` where there is none. */
  removeSecret({ kind, name, team, repo }: SecretName, { signal }: CallOptions = {}): Promise<SecretView> {
    const query = { kind, name, team, repo };
    return this.#json('/v1/secrets', secretView, { method: 'DELETE', query, signal });
  }

  /** Seals all with the first key, and says what doesn't open. Needs the scope `admin`. */
  resealSecrets({ signal }: CallOptions = {}): Promise<ResealReport> {
    return this.#json('/v1/secrets/reseal', resealReport, { method: 'POST', signal });
  }

  /** Whom this client's token stands for. */
  whoami({ signal }: CallOptions = {}): Promise<WhoamiView> {
    return this.#json('/v1/whoami', whoamiView, { signal });
  }

  /** Has something built by the clock. Throws a `KilnProblem` of code `schedule_exists` where the team has one of the name. */
  createSchedule(request: ScheduleRequest, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.#json('/v1/schedules', scheduleView, { method: 'POST', ...jsonBody(request), signal });
  }

  /** By team and name. */
  async schedules({ signal }: CallOptions = {}): Promise<ScheduleView[]> {
    return (await this.#json('/v1/schedules', scheduleList, { signal })).schedules;
  }

  /** Throws a `KilnProblem` of code `schedule_not_found` where there is none, as do the two below. */
  changeSchedule(id: string, change: ScheduleChange, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.#json(schedulePath(id), scheduleView, { method: 'PATCH', ...jsonBody(change), signal });
  }

  removeSchedule(id: string, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.#json(schedulePath(id), scheduleView, { method: 'DELETE', signal });
  }

  /** Builds it now. */
  runSchedule(id: string, { signal }: CallOptions = {}): Promise<BuildView> {
    return this.#json(`${schedulePath(id)}/run`, buildView, { method: 'POST', signal });
  }

  /** What this client's token and its team may do at most, and how much of it is taken. */
  limits({ signal }: CallOptions = {}): Promise<OwnLimits> {
    return this.#json('/v1/limits', ownLimits, { signal });
  }

  /** Everybody's. Needs the scope `admin`, as does setting them. */
  allLimits({ signal }: CallOptions = {}): Promise<LimitList> {
    return this.#json('/v1/limits/all', limitList, { signal });
  }

  /** Sets limits of a team, or of a token by its id; null takes one back. */
  setLimits(
    kind: 'team' | 'token',
    name: string,
    change: LimitChange,
    { signal }: CallOptions = {},
  ): Promise<LimitView> {
    const path = `/v1/limits/${kind}s/${encodeURIComponent(name)}`;
    return this.#json(path, limitView, { method: 'PATCH', ...jsonBody(change), signal });
  }

  /** The audit log, entry by entry, oldest first. Needs the scope `admin`. See `readAudit` in audit.ts. */
  audit(options: AuditOptions = {}): AsyncGenerator<AuditEntry> {
    return readAudit(this.#transport, this.#ambience, options);
  }

  async #upload(
    request: BuildRequestInput,
    context: ContextUpload,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<BuildView> {
    const body = multipartBody(request, context, `kiln-${randomUUID()}`);
    try {
      return await this.#json('/v1/builds', buildView, {
        method: 'POST',
        headers: { ...headers, 'content-type': body.contentType },
        body: body.stream,
        signal,
      });
    } catch (error) {
      throw isTransient(error) && body.sourceError() !== undefined ? body.sourceError() : error;
    }
  }

  async #json<S extends z.ZodType>(path: string, schema: S, call: Call): Promise<z.output<S>> {
    const response = await this.#transport.call(path, call);
    return readAnswer(path, schema, parseJson(await this.#text(response, call.signal)));
  }

  /** An answer that breaks off in its body is as good as none. */
  async #text(response: Response, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#transport.lost(error);
    }
  }
}

const ENDED: ReadonlySet<BuildView['state']> = new Set(['succeeded', 'failed', 'canceled']);

/** Whether nothing can happen to the build any more. */
export function hasEnded(build: Pick<BuildView, 'state'>): boolean {
  return ENDED.has(build.state);
}

function buildPath(id: string): string {
  return `/v1/builds/${encodeURIComponent(id)}`;
}

function hostPath(name: string): string {
  return `/v1/hosts/${encodeURIComponent(name)}`;
}

function schedulePath(id: string): string {
  return `/v1/schedules/${encodeURIComponent(id)}`;
}

function jsonBody(body: unknown): Pick<Call, 'headers' | 'body'> {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function* empty(): AsyncGenerator<Uint8Array> {}

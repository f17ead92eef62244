import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  BuildPage,
  BuildRequestInput,
  BuildView,
  IdentifiedLogRecord,
  PlacementInfoView,
  RetryRequest,
  VersionView,
  WhySlowView,
} from '@kiln/contracts';
import { parseJson, readAnswer } from './answer.ts';
import { jsonBody } from './api-calls.ts';
import { BakeCalls } from './bake-calls.ts';
import { type FollowOptions, followLog } from './follow-log.ts';
import { hasEnded } from './has-ended.ts';
import { HooksClient } from './hooks.ts';
import { readText } from './http-answer.ts';
import type {
  Artifact,
  CallOptions,
  CancelAnswer,
  KilnClientOptions,
  ListOptions,
  SubmitOptions,
  WaitOptions,
} from './options.ts';
import { type ClientDeps, isTransient, withRetry } from './retry.ts';
import { Transport } from './transport.ts';
import { type ContextUpload, multipartBody } from './upload.ts';

const SUBMIT_GIVE_UP_MS = 60_000;
const WAIT_GIVE_UP_MS = 600_000;
/** Length of one long poll: well below the time after which proxies and the client itself give up on an answer. */
const POLL_SECONDS = 50;

const REAL_DEPS: ClientDeps = {
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal && { signal }).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  },
  random: Math.random,
  now: () => performance.now(),
};

/**
 * A typed client of Kiln's API. Every method throws `KilnProblem` if the API refuses, `KilnUnreachable` if it doesn't respond,
 * `KilnBadAnswer` if the answer doesn't match the contract, and the signal's reason when that aborts.
 *
 * This class has the methods about builds; those about hosts, access, schedules, trees and tasks are inherited, one class each.
 */
export class KilnClient extends BakeCalls {
  /** Incoming and outgoing webhooks. */
  readonly hooks: HooksClient;

  constructor({ url, token, deps = REAL_DEPS }: KilnClientOptions) {
    super(new Transport(url, token), deps);
    this.hooks = new HooksClient((path, answer, call) => this.json(path, answer, call));
  }

  get url(): string {
    return this.transport.url;
  }

  /** The server's version, as its last answer told it. Undefined before the first answer, and of servers that don't tell it. */
  get serverVersion(): string | undefined {
    return this.transport.serverVersion;
  }

  /** Asks for the server's version. Needs no token. */
  version({ signal }: CallOptions = {}): Promise<VersionView> {
    return this.json('/v1/version', 'versionView', { signal });
  }

  /** Submits a build. Retries while the API doesn't respond; the idempotency key ensures that only one build is created. */
  submit(request: BuildRequestInput, options: SubmitOptions = {}): Promise<BuildView> {
    const { context, idempotencyKey = randomUUID(), giveUpAfterMs = SUBMIT_GIVE_UP_MS, signal, onRetry } = options;
    const headers = { 'idempotency-key': idempotencyKey };
    const retry = { giveUpAfterMs: context && !context.repeatable ? 0 : giveUpAfterMs, signal, onRetry };
    return withRetry(this.deps, retry, () => {
      if (context) return this.#upload(request, context, headers, signal);
      const { headers: type, body } = jsonBody(request);
      return this.json('/v1/builds', 'buildView', { method: 'POST', headers: { ...headers, ...type }, body, signal });
    });
  }

  /** Returns the build as it is now; with `waitSeconds` (0 to 300), once it has ended or that time has passed. */
  get(id: string, { waitSeconds, signal }: CallOptions & { readonly waitSeconds?: number } = {}): Promise<BuildView> {
    return this.json(buildPath(id), 'buildView', { query: { wait: waitSeconds }, signal });
  }

  /** Waits until the build has ended, however long that takes, also across restarts of the API. */
  async waitForEnd(id: string, { giveUpAfterMs = WAIT_GIVE_UP_MS, signal }: WaitOptions = {}): Promise<BuildView> {
    for (;;) {
      const build = await withRetry(this.deps, { giveUpAfterMs, signal }, () =>
        this.get(id, { waitSeconds: POLL_SECONDS, ...(signal && { signal }) }),
      );
      if (hasEnded(build)) return build;
    }
  }

  list({ signal, ...query }: ListOptions = {}): Promise<BuildPage> {
    return this.json('/v1/builds', 'buildPage', { query, signal });
  }

  /** Cancels a build. Throws a `KilnProblem` with code `already_finished` if it has already ended. */
  cancel(id: string, { giveUpAfterMs = 0, signal }: WaitOptions = {}): Promise<CancelAnswer> {
    const path = `${buildPath(id)}/cancel`;
    return withRetry(this.deps, { giveUpAfterMs, signal }, async () => {
      const answer = await this.transport.call(path, { method: 'POST', signal });
      const { buildView } = await import('./build-schemas.ts');
      const build = readAnswer(path, buildView, parseJson(await readText(answer)));
      return { build, confirmed: answer.status !== 202 };
    });
  }

  /** Submits the same request as a new build, with these registry logins: those of the first build were deleted when it ended. */
  retry(id: string, { signal, registryLogins }: CallOptions & RetryRequest = {}): Promise<BuildView> {
    const body = registryLogins && jsonBody({ registryLogins } satisfies RetryRequest);
    return this.json(`${buildPath(id)}/retry`, 'buildView', { method: 'POST', ...body, signal });
  }

  /** Yields the records of a build's log. See `followLog` in follow-log.ts. */
  followLog(id: string, options: FollowOptions = {}): AsyncGenerator<IdentifiedLogRecord> {
    return followLog(this.transport, this.deps, id, options);
  }

  placement(id: string, { signal }: CallOptions = {}): Promise<PlacementInfoView> {
    return this.json(`${buildPath(id)}/placement`, 'placementView', { signal });
  }

  /** Explains which steps of a build were not cached, and where its time went. @param attempt default: the last one */
  whySlow(id: string, { attempt, signal }: CallOptions & { readonly attempt?: number } = {}): Promise<WhySlowView> {
    const query = attempt === undefined ? {} : { attempt };
    return this.json(`${buildPath(id)}/why-slow`, 'whySlowView', { query, signal });
  }

  /** Opens the tar that a build with output `artifact` produced. */
  async artifact(id: string, { signal }: CallOptions = {}): Promise<Artifact> {
    const { header, body } = await this.transport.call(`${buildPath(id)}/artifact`, { signal });
    const length = header('content-length');
    return { body, sizeBytes: length === undefined ? undefined : Number(length) };
  }

  async #upload(
    request: BuildRequestInput,
    context: ContextUpload,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<BuildView> {
    const body = multipartBody(request, context, `kiln-${randomUUID()}`);
    try {
      return await this.json('/v1/builds', 'buildView', {
        method: 'POST',
        headers: { ...headers, 'content-type': body.contentType },
        body: body.stream,
        signal,
      });
    } catch (error) {
      throw isTransient(error) && body.sourceError() !== undefined ? body.sourceError() : error;
    }
  }
}

function buildPath(id: string): string {
  return `/v1/builds/${encodeURIComponent(id)}`;
}

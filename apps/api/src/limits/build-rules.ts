import { type BuildSpec, type TargetsRequest, targetSpecs } from '@kiln/contracts';
import {
  gitTarget,
  isAllowedTarget,
  isPushed,
  type LimitSubject,
  type Limits,
  lowest,
  type Principal,
  registryTarget,
} from '@kiln/domain';
import type { NewBuild, StorageLedger, StorageShare } from '@kiln/state';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import type { GitHostCheck } from './git-host-check.ts';
import { credentialSubject, type LimitBook } from './limit-book.ts';

type Admitted = Pick<
  NewBuild,
  'submitter' | 'maxQueued' | 'maxLogBytes' | 'maxArtifactBytes' | 'maxStoredBytes' | 'queueTimeoutMs' | 'trace'
>;

/** When a client may retry after `queue_full`, s: a guess. */
const QUEUE_RETRY_SECONDS = 30;
/** Bytes that an attempt's log may always have, however much its team has stored. */
const LEAST_LOG_BYTES = 1024 * 1024;

/** The limits on builds that one principal submits for a team. */
export class BuildRules {
  readonly #token: LimitSubject | undefined;
  readonly #limits: readonly { readonly whose: string; readonly limits: Limits }[];
  readonly #checkGitHost: GitHostCheck;
  /** The team whose storage is charged, and its quota. */
  readonly share: StorageShare;
  /** What is left of the team's quota; undefined if it has none. */
  readonly #bytesLeft: number | undefined;
  readonly #queueTimeoutMs: number | undefined;
  readonly #isTracing: boolean;

  private constructor(
    token: LimitSubject | undefined,
    limits: readonly { readonly whose: string; readonly limits: Limits }[],
    { share, bytesLeft }: { readonly share: StorageShare; readonly bytesLeft: number | undefined },
    deps: BuildRuleDeps,
  ) {
    this.#token = token;
    this.#limits = limits;
    this.share = share;
    this.#bytesLeft = bytesLeft;
    this.#queueTimeoutMs = deps.queueTimeoutMs;
    this.#checkGitHost = deps.checkGitHost;
    this.#isTracing = deps.isTracing ?? false;
  }

  static async of(principal: Principal, team: string, deps: BuildRuleDeps): Promise<BuildRules> {
    const own = credentialSubject(principal);
    const ofTeam = await deps.book.of({ kind: 'team', name: team });
    const limits = [
      { whose: `the team ${team}`, limits: ofTeam },
      ...(own ? [{ whose: principal.name, limits: await deps.book.of(own) }] : []),
    ];
    const quotaBytes = lowest(ofTeam.storedBytes);
    const bytesLeft =
      quotaBytes === undefined ? undefined : Math.max(0, quotaBytes - (await deps.storage.usedBy(team)));
    return new BuildRules(own, limits, { share: { team, quotaBytes }, bytesLeft }, deps);
  }

  /** Most bytes of a context as sent; undefined if only the pool's limit applies. */
  get contextBytes(): number | undefined {
    return lowest(...this.#limits.map(({ limits }) => limits.contextBytes));
  }

  /** The limits that are stored with the build or checked on its acceptance. */
  get acceptance(): Admitted {
    const [team, token] = this.#limits.map(({ limits }) => lowest(limits.queuedBuilds));
    return {
      submitter: this.#token?.name,
      maxQueued: { team, token },
      maxLogBytes: lowest(
        ...this.#limits.map(({ limits }) => limits.logBytes),
        this.#bytesLeft === undefined ? undefined : Math.max(this.#bytesLeft, LEAST_LOG_BYTES),
      ),
      maxArtifactBytes: lowest(...this.#limits.map(({ limits }) => limits.artifactBytes)),
      maxStoredBytes: this.share.quotaBytes,
      queueTimeoutMs: this.#queueTimeoutMs,
      ...(this.#isTracing && { trace: {} }),
    };
  }

  /** Checks that git server and registries are allowed, and that the git server isn't in a private network. @throws ApiProblem `target_refused` */
  async checkTargets(request: TargetsRequest): Promise<void> {
    for (const { at, spec } of targetSpecs(request)) await this.#checkTarget(spec, at);
  }

  async #checkTarget({ source, output, tags, cache }: BuildSpec, at: readonly string[]): Promise<void> {
    for (const { whose, limits } of this.#limits) {
      if (source.type === 'git' && !isAllowedTarget(limits.gitHosts, gitTarget(source.url))) {
        throw notAllowed([...at, 'source', 'url'], source.url, limits.gitHosts, whose);
      }
      const registry = isPushed(output)
        ? tags.findIndex((tag) => !isAllowedTarget(limits.registries, registryTarget(tag)))
        : -1;
      const caches =
        cache?.to?.findIndex(
          (to) => to.type === 'registry' && !isAllowedTarget(limits.registries, registryTarget(to.ref)),
        ) ?? -1;
      const refused = cache?.to?.[caches];
      if (refused?.type === 'registry')
        throw notAllowed([...at, 'cache', 'to', caches, 'ref'], refused.ref, limits.registries, whose);
      if (registry >= 0) throw notAllowed([...at, 'tags', registry], tags[registry] ?? '', limits.registries, whose);
    }
    if (source.type === 'git') await this.#checkGitHost(source.url);
  }
}

export interface BuildRuleDeps {
  readonly book: LimitBook;
  readonly checkGitHost: GitHostCheck;
  readonly storage: Pick<StorageLedger, 'usedBy'>;
  /** How long a build may wait for a host if its request doesn't say, ms. Default: without limit. */
  readonly queueTimeoutMs?: number | undefined;
  /** Whether builds are traced. Default: false. */
  readonly isTracing?: boolean;
}

export function queueFull(whose: 'team' | 'token', most: number): ApiProblem {
  const who = whose === 'team' ? 'the team' : 'this credential';
  return new ApiProblem('queue_full', `${most} builds of ${who} are already queued, which is the limit`, {
    errors: [
      { field: `limit queuedBuilds of the ${whose}`, got: 'one more build', expected: `at most ${most} queued builds` },
    ],
    headers: { 'Retry-After': String(QUEUE_RETRY_SECONDS) },
  });
}

function notAllowed(field: readonly PropertyKey[], got: string, allowed: readonly string[], whose: string): ApiProblem {
  return fieldProblem(
    'target_refused',
    field,
    JSON.stringify(got),
    allowed.length === 0 ? `none, since ${whose} may use none` : `one that ${whose} may use: ${allowed.join(', ')}`,
  );
}

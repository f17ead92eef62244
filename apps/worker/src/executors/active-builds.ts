import { setTimeout as delay } from 'node:timers/promises';
import { cacheNamespace } from '@kiln/buildkit';
import type { ExecuteRequest } from '../engine/executor.ts';

/** How long a build waits at most for caches of its repo that are about to be dropped, ms. */
const MAX_HOLD_MS = 600_000;

type Owned = Pick<ExecuteRequest, 'buildId' | 'repo' | 'trust' | 'spec'>;

/**
 * The builds that a host runs, by what they use of caches, and the repos whose next builds wait because their caches are being dropped:
 * otherwise a repo that is built all the time would never let go of them.
 */
export class ActiveBuilds {
  readonly #builds = new Set<Owned>();
  /** How many drops hold the repo, by cache key. */
  readonly #holds = new Map<string, number>();
  readonly #maxHoldMs: number;
  #changed = Promise.withResolvers<void>();

  constructor(maxHoldMs = MAX_HOLD_MS) {
    this.#maxHoldMs = maxHoldMs;
  }

  /** Resolves at the next end of a build or of a hold. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Ids of the running builds of a repo, by cache key, and of those that use the namespaces of these mounts. */
  using(repo: string | undefined, mounts: readonly string[] = []): string[] {
    const used = (build: Owned) => {
      const namespace = cacheNamespace({ ...build, team: build.spec.team, scope: build.spec.cacheScope });
      return build.repo === repo || mounts.some((id) => id.startsWith(`${namespace}/`));
    };
    return [...this.#builds].filter(used).map(({ buildId }) => buildId);
  }

  /** Runs a build, once its repo isn't held any more, or has been for too long. Rejects with the signal's reason if that aborts meanwhile. */
  async run<T>(build: Owned, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#holds.has(build.repo)) await this.#pass(build.repo, signal);
    this.#builds.add(build);
    try {
      return await work();
    } finally {
      this.#builds.delete(build);
      this.#wake();
    }
  }

  /** Lets no further build of the repo begin until this is disposed of. */
  hold(repo: string): Disposable {
    this.#holds.set(repo, (this.#holds.get(repo) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#holds.get(repo) ?? 1) - 1;
        if (left > 0) this.#holds.set(repo, left);
        else this.#holds.delete(repo);
        this.#wake();
      },
    };
  }

  async #pass(repo: string, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const timeout = delay(this.#maxHoldMs, 'late' as const, { signal: AbortSignal.any([signal, ended.signal]) });
    try {
      while (this.#holds.has(repo)) if ((await Promise.race([this.changed, timeout])) === 'late') return;
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      ended.abort();
      timeout.catch(() => undefined);
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type GitLimits, GitMirror, type GitSource, type MirroredCommit } from '@kiln/git';
import type { Logger } from '@kiln/runtime';

export interface GitMirrorsOptions {
  /** Directory for all mirrors of this host. */
  readonly dir: string;
  /** Most that they take on the disk together, bytes; those used longest ago are removed first, but none in use. */
  readonly budgetBytes: number;
}

export interface GitMirrorsDeps {
  /** Keeps git from reaching addresses of the internal network. */
  readonly guard: GitLimits['guard'];
  readonly log: Logger;
  readonly now: () => number;
}

/** A commit that stays on this host until disposed of. */
export interface HeldCommit extends AsyncDisposable {
  readonly commit: MirroredCommit;
}

/** A first fetch of a large repository takes minutes. */
const FETCH_TIMEOUT_MS = 1_800_000;
/** Prefix of what is being removed; what a killed worker left of it is removed at the next start. */
const REMOVED = 'removed-';

interface Known {
  readonly mirror: GitMirror;
  users: number;
  /** ms since the epoch. */
  usedAt: number;
  bytes: number;
}

/** The mirrors of git remotes on this host: one for each remote and isolation domain, because domains must not see what others have fetched. */
export class GitMirrors {
  readonly #options: GitMirrorsOptions;
  readonly #deps: GitMirrorsDeps;
  readonly #limits: GitLimits;
  /** By directory. */
  readonly #known = new Map<string, Known>();
  #found: Promise<void> | undefined;

  constructor(options: GitMirrorsOptions, deps: GitMirrorsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#limits = { timeoutMs: FETCH_TIMEOUT_MS, maxFetchBytes: options.budgetBytes, guard: deps.guard };
  }

  /** Fetches a commit, unless it is here. @throws as `GitMirror.commit` */
  async commit(domain: string, source: GitSource, signal: AbortSignal): Promise<HeldCommit> {
    this.#found ??= this.#find();
    await this.#found;
    const dir = join(this.#options.dir, slug(domain), slug(source.url));
    const mirror = this.#open(dir);
    mirror.users += 1;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const commit = await mirror.mirror.commit(source, signal);
      mirror.usedAt = this.#deps.now();
      mirror.bytes = await mirror.mirror.sizeBytes();
      await utimes(dir, mirror.usedAt / 1000, mirror.usedAt / 1000);
      return { commit, [Symbol.asyncDispose]: () => this.#release(mirror) };
    } catch (error) {
      await this.#release(mirror);
      throw error;
    }
  }

  get budgetBytes(): number {
    return this.#options.budgetBytes;
  }

  /** Bytes of all mirrors, as last measured. */
  get usedBytes(): number {
    return [...this.#known.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #open(dir: string): Known {
    const known = this.#known.get(dir) ?? {
      mirror: new GitMirror(dir, this.#limits, this.#deps.now),
      users: 0,
      usedAt: this.#deps.now(),
      bytes: 0,
    };
    this.#known.set(dir, known);
    return known;
  }

  async #find(): Promise<void> {
    for (const domain of await readdir(this.#options.dir).catch(() => [])) {
      if (domain.startsWith(REMOVED)) {
        await rm(join(this.#options.dir, domain), { recursive: true, force: true });
        continue;
      }
      for (const name of await readdir(join(this.#options.dir, domain)).catch(() => [])) {
        const dir = join(this.#options.dir, domain, name);
        const known = this.#open(dir);
        known.usedAt = (await stat(dir)).mtimeMs;
        known.bytes = await known.mirror.sizeBytes();
      }
    }
  }

  async #release(mirror: Known): Promise<void> {
    mirror.users -= 1;
    let total = this.usedBytes;
    const oldestFirst = [...this.#known].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [dir, each] of oldestFirst) {
      if (total <= this.#options.budgetBytes) return;
      if (each.users > 0) continue;
      total -= each.bytes;
      // A build that needs it meanwhile creates a new one in the same place.
      this.#known.delete(dir);
      const gone = join(this.#options.dir, `${REMOVED}${randomUUID()}`);
      await rename(dir, gone).catch(() => undefined);
      this.#deps.log.info({ dir, bytes: each.bytes }, 'git mirror removed: over budget');
      await rm(gone, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

function slug(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

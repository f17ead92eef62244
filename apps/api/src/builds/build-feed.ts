import { waitsForHost } from '@kiln/domain';
import type { PoolEvents } from '@kiln/state';
import type { Logger } from 'pino';
import type { Builds } from '../ports.ts';
import { viewBuild } from './build-view.ts';

/** A build as it is now, as its listeners send it; `reset`: more has changed than is worth telling one by one. */
export type FeedUpdate =
  | { readonly type: 'build'; readonly id: string; readonly team: string; readonly json: string }
  | { readonly type: 'reset' };

/** Changes are collected for this long, ms: a build that changes several times at once is read and sent once. */
const COLLECT_MS = 200;
/** Builds read at a time. */
const BATCH = 100;
/** Changed builds that wait to be read, after which listeners are told to read their list again. */
const MAX_CHANGED = 2_000;

/** Tells listeners of builds that have changed. However many listen, a changed build is read and made into JSON once. */
export class BuildFeed implements Disposable {
  readonly #builds: Pick<Builds, 'get' | 'lastDecisions'>;
  readonly #log: Logger;
  readonly #subscription: Disposable;
  readonly #listeners = new Set<(update: FeedUpdate) => void>();
  #changed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(builds: Pick<Builds, 'get' | 'lastDecisions'>, events: Pick<PoolEvents, 'subscribe'>, log: Logger) {
    this.#builds = builds;
    this.#log = log;
    this.#subscription = events.subscribe((event) => {
      if (event.type === 'build' && this.#listeners.size > 0) this.#note(event.id);
    });
  }

  /** Listeners must not throw. */
  subscribe(listener: (update: FeedUpdate) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#subscription[Symbol.dispose]();
    clearTimeout(this.#timer);
  }

  #note(id: string): void {
    this.#changed.add(id);
    if (this.#changed.size > MAX_CHANGED) {
      this.#changed = new Set();
      this.#tell({ type: 'reset' });
    }
    this.#timer ??= setTimeout(() => void this.#read(), COLLECT_MS);
  }

  async #read(): Promise<void> {
    const ids = [...this.#changed].slice(0, BATCH);
    for (const id of ids) this.#changed.delete(id);
    try {
      for (const update of await this.#updates(ids)) this.#tell(update);
    } catch (error) {
      this.#log.warn({ err: error }, 'changed builds not read');
      this.#tell({ type: 'reset' });
    }
    this.#timer = undefined;
    if (this.#changed.size > 0 && !this.#isClosed) this.#timer = setTimeout(() => void this.#read(), COLLECT_MS);
  }

  async #updates(ids: readonly string[]): Promise<FeedUpdate[]> {
    const builds = (await Promise.all(ids.map((id) => this.#builds.get(id)))).filter((build) => build !== undefined);
    const waiting = builds.filter(({ record }) => waitsForHost(record)).map(({ record }) => record.id);
    const decisions = await this.#builds.lastDecisions(waiting);
    return builds.map((build) => {
      const { id, team } = build.record;
      return { type: 'build', id, team, json: JSON.stringify(viewBuild(build, decisions.get(id))) };
    });
  }

  #tell(update: FeedUpdate): void {
    for (const listener of this.#listeners) listener(update);
  }
}

import type { PlacementDecision } from '../model/decision.ts';
import type { HeldCache, HostView, PendingBuild } from '../model/model.ts';
import { PlacementPool } from '../placement-pool.ts';
import { START } from './scene.ts';

export type HostChange = Omit<HostView, 'name'>;

/** An event in a pool. Hosts and builds are named by an index, modulo their number. */
export type LifeEvent =
  | ({ readonly type: 'submit' } & Pick<
      PendingBuild,
      'repo' | 'team' | 'priority' | 'weight' | 'platforms' | 'hostLabels' | 'trust' | 'cacheVersion'
    >)
  | { readonly type: 'host'; readonly host: number; readonly change: HostChange }
  | { readonly type: 'lose'; readonly host: number }
  | {
      readonly type: 'end';
      readonly index: number;
      readonly runMs: number | undefined;
      readonly bytes: number | undefined;
    }
  | { readonly type: 'cancel'; readonly index: number }
  | { readonly type: 'report'; readonly host: number; readonly caches: Readonly<Record<string, HeldCache>> }
  | { readonly type: 'seen'; readonly index: number; readonly warmth: number }
  | { readonly type: 'wait'; readonly ms: number }
  /** `refuse`: this share of the assignments is not carried out. */
  | { readonly type: 'decide'; readonly refuse: number };

interface Assigned {
  readonly build: PendingBuild;
  readonly host: string;
  readonly decision: PlacementDecision | undefined;
}

/** A pool beside a plain record of the events and decisions, to compare it with. */
export class Life {
  readonly pool = new PlacementPool();
  readonly hosts = new Map<string, HostView>();
  readonly #waiting = new Map<string, PendingBuild>();
  readonly #running = new Map<string, Assigned>();
  readonly #before = new Map<string, number>();
  #now = START;
  #builds = 0;

  get now(): number {
    return this.#now;
  }

  waiting(): string[] {
    return [...this.#waiting.keys()];
  }

  running(): number {
    return this.#running.size;
  }

  /** Returns how many slots of the host builds use. */
  given(host: string): number {
    let slots = 0;
    for (const one of this.#running.values()) if (one.host === host) slots += one.build.weight;
    return slots;
  }

  /** Returns how many they used before the last decisions. */
  usedBefore(host: string): number {
    return this.#before.get(host) ?? 0;
  }

  /** Applies the event. Returns what was assigned. */
  happen(event: LifeEvent): Assigned[] {
    const { pool } = this;
    const now = this.#now;
    switch (event.type) {
      case 'submit': {
        const { type: _, ...needs } = event;
        const build = { ...needs, id: `b${++this.#builds}`, queuedAt: now, createdAt: now, lostOn: [] };
        this.#waiting.set(build.id, build);
        pool.buildQueued(build, now);
        return [];
      }
      case 'host': {
        const view = { ...event.change, name: `h${event.host}` };
        this.hosts.set(view.name, view);
        pool.hostUp(view, now);
        return [];
      }
      case 'lose':
        this.#lose(`h${event.host}`);
        return [];
      case 'end': {
        const [id] = pick([...this.#running.keys()], event.index);
        if (id === undefined) return [];
        this.#running.delete(id);
        pool.attemptEnded(id, { runMs: event.runMs, keepsCache: event.runMs !== undefined, bytes: event.bytes }, now);
        return [];
      }
      case 'cancel': {
        const [id] = pick(this.waiting(), event.index);
        if (id === undefined) return [];
        this.#waiting.delete(id);
        pool.buildLeft(id, now);
        return [];
      }
      case 'report':
        pool.cachesReported(`h${event.host}`, new Map(Object.entries(event.caches)), now);
        return [];
      case 'seen': {
        const [id] = pick([...this.#running.keys()], event.index);
        if (id !== undefined) pool.warmthSeen(id, event.warmth);
        return [];
      }
      case 'wait':
        this.#now += event.ms;
        return [];
      case 'decide':
        return this.#decide(event.refuse);
    }
  }

  #decide(refuse: number): Assigned[] {
    for (const host of this.hosts.keys()) this.#before.set(host, this.given(host));
    const assigned = this.pool
      .decide(this.#now, { explained: true })
      .assignments.map(({ build: id, host, decision }) => {
        const build = this.#waiting.get(id);
        if (!build) throw new Error(`${id} doesn't wait`);
        return { build, host, decision };
      });
    assigned.forEach((one, i) => {
      if (i < refuse * assigned.length) return;
      const { id, repo, team, weight, cacheVersion } = one.build;
      this.#waiting.delete(id);
      this.#running.set(id, one);
      this.pool.attemptStarted(
        { build: id, host: one.host, repo, team, weight, startedAt: this.#now, cacheVersion },
        this.#now,
      );
    });
    return assigned;
  }

  #lose(host: string): void {
    this.hosts.delete(host);
    this.pool.hostGone(host, this.#now);
    for (const [id, { build, host: on }] of [...this.#running]) {
      if (on !== host) continue;
      this.#running.delete(id);
      const again = { ...build, queuedAt: this.#now, lostOn: [...build.lostOn, host] };
      this.#waiting.set(id, again);
      this.pool.buildQueued(again, this.#now);
    }
  }
}

function pick(ids: readonly string[], index: number): readonly (string | undefined)[] {
  return [ids[index % Math.max(1, ids.length)]];
}

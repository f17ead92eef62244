import type { Isolation } from '../isolation/isolation-domain.ts';
import { HostClass } from './host-class.ts';
import { PendingGroup } from './pending-group.ts';
import type { PoolRepo } from './pool-repo.ts';
import { requirementsKey } from './requirements.ts';
import type { PendingBuild } from './words.ts';

export interface Waiting {
  readonly build: PendingBuild;
  readonly group: PendingGroup;
}

/** What waits, in groups of builds that are alike. */
export class WaitingList {
  readonly #builds = new Map<string, Waiting>();
  readonly #groups = new Map<string, PendingGroup>();
  readonly #classes = new Map<string, HostClass>();
  #told: Isolation = 'pool';
  /** Slots that all of them would take. */
  queuedSlots = 0;

  get size(): number {
    return this.#builds.size;
  }

  get groups(): Iterable<PendingGroup> {
    return this.#groups.values();
  }

  get(id: string): Waiting | undefined {
    return this.#builds.get(id);
  }

  /** Groups all builds anew, where hosts have come to tell them apart more finely by whose they are. Answers whether they had. */
  tellApart(told: Isolation): boolean {
    if (told === this.#told) return false;
    const all = [...this.#builds.values()];
    for (const { build } of all) this.remove(build.id);
    this.#told = told;
    for (const { build, group } of all) this.add(build, group.repo);
    return true;
  }

  add(build: PendingBuild, repo: PoolRepo): Waiting {
    const waiting = { build, group: this.#groupOf(build, repo) };
    waiting.group.add(build);
    this.#builds.set(build.id, waiting);
    this.#count(repo, build.weight);
    return waiting;
  }

  remove(id: string): Waiting | undefined {
    const waiting = this.#builds.get(id);
    if (!waiting) return undefined;
    const { build, group } = waiting;
    this.#builds.delete(id);
    group.remove(id);
    this.#count(group.repo, -build.weight);
    if (group.builds.length === 0) {
      this.#groups.delete(group.key);
      if (--group.hosts.users === 0) this.#classes.delete(group.hosts.key);
    }
    return waiting;
  }

  #groupOf(build: PendingBuild, repo: PoolRepo): PendingGroup {
    const needs = requirementsKey(build, this.#told);
    const key = JSON.stringify([build.repo, build.team, build.priority, build.cacheVersion ?? null, needs]);
    let group = this.#groups.get(key);
    if (!group) {
      const hosts = this.#classes.get(needs) ?? new HostClass(needs, build);
      this.#classes.set(needs, hosts);
      hosts.users++;
      group = new PendingGroup(key, repo, hosts, build);
      this.#groups.set(key, group);
    }
    return group;
  }

  #count(repo: PoolRepo, slots: number): void {
    repo.queued += slots;
    this.queuedSlots += slots;
    for (const host of repo.holders.keys()) host.wanted += slots;
  }
}

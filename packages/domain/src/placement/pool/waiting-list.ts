import type { Isolation } from '../../isolation/isolation-domain.ts';
import type { PendingBuild } from '../model/model.ts';
import { requirementsKey } from '../model/requirements.ts';
import { HostClass } from './host-class.ts';
import type { HostTable } from './host-table.ts';
import { PendingGroup } from './pending-group.ts';
import type { PoolRepo } from './pool-repo.ts';

export interface Waiting {
  readonly build: PendingBuild;
  readonly group: PendingGroup;
}

/**
 * How many classes that no waiting build uses are kept. What a pass worked out for a class is then there for the next arrival, as in a pool
 * with room, where each build leaves before the next one comes.
 */
const CLASSES_KEPT = 16;

/** The waiting builds, in groups that differ only in age. */
export class WaitingList {
  readonly #builds = new Map<string, Waiting>();
  readonly #groups = new Map<string, PendingGroup>();
  readonly #classes = new Map<string, HostClass>();
  /** Those of them that no group uses, the longest unused first. */
  readonly #unused = new Set<HostClass>();
  #tellsApart: Isolation = 'pool';
  readonly #hosts: HostTable;
  /** Slots that all of them would take. */
  queuedSlots = 0;

  constructor(hosts: HostTable) {
    this.#hosts = hosts;
  }

  get size(): number {
    return this.#builds.size;
  }

  get groups(): Iterable<PendingGroup> {
    return this.#groups.values();
  }

  get(id: string): Waiting | undefined {
    return this.#builds.get(id);
  }

  /** Regroups all builds if hosts now tell builds of different isolation domains apart more finely. Returns whether it did. */
  tellApart(isolation: Isolation): boolean {
    if (isolation === this.#tellsApart) return false;
    const all = [...this.#builds.values()];
    for (const { build } of all) this.remove(build.id);
    this.#tellsApart = isolation;
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
      if (--group.hosts.users === 0) this.#retire(group.hosts);
    }
    return waiting;
  }

  #groupOf(build: PendingBuild, repo: PoolRepo): PendingGroup {
    const needs = requirementsKey(build, this.#tellsApart);
    const key = JSON.stringify([build.repo, build.team, build.priority, build.cacheVersion ?? null, needs]);
    let group = this.#groups.get(key);
    if (!group) {
      const hosts = this.#classes.get(needs) ?? new HostClass(needs, build);
      this.#classes.set(needs, hosts);
      hosts.users++;
      this.#unused.delete(hosts);
      group = new PendingGroup(key, repo, hosts, build);
      this.#groups.set(key, group);
    }
    return group;
  }

  #retire(hosts: HostClass): void {
    this.#unused.add(hosts);
    if (this.#unused.size <= CLASSES_KEPT) return;
    const [longest] = this.#unused;
    if (!longest) return;
    this.#unused.delete(longest);
    this.#classes.delete(longest.key);
  }

  #count(repo: PoolRepo, slots: number): void {
    this.queuedSlots += slots;
    this.#hosts.want(repo, slots);
  }
}

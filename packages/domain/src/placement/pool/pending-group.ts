import type { PendingBuild, Priority } from '../model/model.ts';
import type { HostClass } from './host-class.ts';
import type { PoolRepo } from './pool-repo.ts';

/**
 * Waiting builds that differ only in age: they have the same repo, team, priority and requirements. A pass therefore compares groups
 * instead of builds.
 */
export class PendingGroup {
  readonly key: string;
  readonly repo: PoolRepo;
  readonly team: string;
  readonly priority: Priority;
  readonly weight: number;
  readonly cacheVersion: string | undefined;
  readonly hosts: HostClass;
  /** Equal for groups of the same repo that can use the same hosts and caches, whatever their team and priority. */
  readonly sight: string;
  /** Oldest first. */
  readonly builds: PendingBuild[] = [];

  constructor(key: string, repo: PoolRepo, hosts: HostClass, like: PendingBuild) {
    this.key = key;
    this.repo = repo;
    this.hosts = hosts;
    this.team = like.team;
    this.priority = like.priority;
    this.weight = like.weight;
    this.cacheVersion = like.cacheVersion;
    this.sight = JSON.stringify([hosts.key, like.cacheVersion]);
  }

  add(build: PendingBuild): void {
    let i = this.builds.length;
    while (i > 0 && comesBefore(build, this.builds[i - 1] as PendingBuild)) i--;
    this.builds.splice(i, 0, build);
  }

  remove(id: string): void {
    const i = this.builds.findIndex((build) => build.id === id);
    if (i >= 0) this.builds.splice(i, 1);
  }
}

function comesBefore(a: PendingBuild, b: PendingBuild): boolean {
  return a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id);
}

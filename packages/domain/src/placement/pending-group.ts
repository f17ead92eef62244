import type { HostClass } from './host-class.ts';
import type { PoolRepo } from './pool-repo.ts';
import type { PendingBuild, Priority } from './words.ts';

/**
 * Waiting builds between which placement sees no difference but their age: same repo, team, priority and requirements. They are
 * ordered among themselves once, when they come.
 */
export class PendingGroup {
  readonly key: string;
  readonly repo: PoolRepo;
  readonly team: string;
  readonly priority: Priority;
  readonly weight: number;
  readonly cacheVersion: string | undefined;
  readonly hosts: HostClass;
  /** The same for groups of the repo that see the same hosts and caches, whoever they are of. */
  readonly sight: string;
  /** By age, the oldest first. */
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

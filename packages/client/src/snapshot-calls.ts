import type { NewSnapshot, SaveRequest, SeedRequest, SnapshotView, TaskView } from '@kiln/contracts';
import { jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';
import { TreeCalls } from './tree-calls.ts';

export interface SnapshotListOptions extends CallOptions {
  readonly repo?: string | undefined;
  readonly team?: string | undefined;
}

/** The methods of `KilnClient` about snapshots of caches. Those that take an id throw a `KilnProblem` with code `snapshot_not_found` if it doesn't exist. */
export class SnapshotCalls extends TreeCalls {
  /** Lists snapshots, the newest first. */
  async snapshots({ repo, team, signal }: SnapshotListOptions = {}): Promise<SnapshotView[]> {
    return (await this.json('/v1/snapshots', 'snapshotList', { query: { repo, team }, signal })).snapshots;
  }

  snapshot(id: string, { signal }: CallOptions = {}): Promise<SnapshotView> {
    return this.json(`/v1/snapshots/${encodeURIComponent(id)}`, 'snapshotView', { signal });
  }

  /** Records a snapshot whose content is stored as a tree. */
  addSnapshot(snapshot: NewSnapshot): Promise<SnapshotView> {
    return this.json('/v1/snapshots', 'snapshotView', { method: 'POST', ...jsonBody(snapshot) });
  }

  async removeSnapshot(id: string): Promise<void> {
    const { body } = await this.transport.call(`/v1/snapshots/${encodeURIComponent(id)}`, { method: 'DELETE' });
    for await (const _ of body);
  }

  /** Has a host save a repo's cache mounts. */
  saveCaches(request: SaveRequest): Promise<TaskView> {
    return this.json('/v1/caches/save', 'taskView', { method: 'POST', ...jsonBody(request) });
  }

  /** Has a host fill a repo's cache mounts from a snapshot. */
  seedCaches(request: SeedRequest): Promise<TaskView> {
    return this.json('/v1/caches/seed', 'taskView', { method: 'POST', ...jsonBody(request) });
  }
}

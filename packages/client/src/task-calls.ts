import type {
  CacheListView,
  CacheModeOrder,
  CleanAnswer,
  CleanRequest,
  DropRequest,
  ModeDefaultView,
  TaskView,
} from '@kiln/contracts';
import { jsonBody } from './api-calls.ts';
import type { CallOptions, WaitOptions } from './options.ts';
import { withRetry } from './retry.ts';
import { SnapshotCalls } from './snapshot-calls.ts';

export interface CacheListOptions extends CallOptions {
  readonly repo?: string | undefined;
  readonly host?: string | undefined;
  readonly kind?: string | undefined;
  readonly limit?: number | undefined;
}

export interface CacheModeOptions extends CallOptions {
  readonly repo?: string | undefined;
  readonly team?: string | undefined;
}

export interface TaskListOptions extends CallOptions {
  readonly host?: string | undefined;
  readonly state?: TaskView['state'] | undefined;
}

const GIVE_UP_MS = 600_000;
/** How long one request waits for the task's end. In between progress is reported. */
const POLL_SECONDS = 2;

/** The methods of `KilnClient` about caches and tasks of hosts. Those that take an id throw a `KilnProblem` with code `task_not_found` if it doesn't exist. */
export class TaskCalls extends SnapshotCalls {
  /** Lists caches of hosts, the largest first. */
  caches({ signal, ...query }: CacheListOptions = {}): Promise<CacheListView> {
    return this.json('/v1/caches', 'cacheList', { query, signal });
  }

  /** Drops caches. Returns a task for each host, without waiting for its end. */
  async dropCaches(request: DropRequest, { signal }: CallOptions = {}): Promise<TaskView[]> {
    return (await this.json('/v1/caches/drop', 'dropAnswer', { method: 'POST', ...jsonBody(request), signal })).tasks;
  }

  /** Deletes unused caches in registries. */
  cleanRegistries(request: CleanRequest, { signal }: CallOptions = {}): Promise<CleanAnswer> {
    return this.json('/v1/caches/clean-registries', 'cleanAnswer', { method: 'POST', ...jsonBody(request), signal });
  }

  /** Lists the default cache modes of a team's repos. */
  async cacheModes({ signal, ...query }: CacheModeOptions = {}): Promise<ModeDefaultView[]> {
    return (await this.json('/v1/caches/modes', 'modeList', { query, signal })).modes;
  }

  /** Sets the default cache mode of a repo, or removes it (`mode: null`). */
  setCacheMode(order: CacheModeOrder, { signal }: CallOptions = {}): Promise<ModeDefaultView> {
    return this.json('/v1/caches/modes', 'modeDefault', { method: 'PUT', ...jsonBody(order), signal });
  }

  /** Lists tasks, the newest first. */
  async tasks({ host, state, signal }: TaskListOptions = {}): Promise<TaskView[]> {
    return (await this.json('/v1/tasks', 'taskList', { query: { host, state }, signal })).tasks;
  }

  /** Returns the task as it is now; with `waitSeconds` (0 to 300), once it has ended or that time has passed. */
  task(id: string, { waitSeconds, signal }: CallOptions & { readonly waitSeconds?: number } = {}): Promise<TaskView> {
    return this.json(`/v1/tasks/${encodeURIComponent(id)}`, 'taskView', { query: { wait: waitSeconds }, signal });
  }

  /** Yields a task about every two seconds until it has ended, also across restarts of the API. */
  async *watchTask(id: string, { giveUpAfterMs = GIVE_UP_MS, signal }: WaitOptions = {}): AsyncGenerator<TaskView> {
    for (let waitSeconds = 0; ; waitSeconds = POLL_SECONDS) {
      const task = await withRetry(this.deps, { giveUpAfterMs, signal }, () =>
        this.task(id, { waitSeconds, ...(signal && { signal }) }),
      );
      yield task;
      if (task.endedAt !== undefined) return;
    }
  }
}

import type { HostTask, HostTaskProgress } from '@kiln/contracts';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import { type HostTasks, type HostWriter, persist, TaskLost } from '@kiln/state';
import { type HostTaskHandlers, type TaskContext, TaskFailed, type TaskHandler } from './task-handler.ts';

export interface TaskRunnerDeps {
  readonly tasks: Pick<HostTasks, 'claim' | 'progress' | 'settle'>;
  readonly writer: HostWriter;
  readonly handlers: HostTaskHandlers;
  /** Called when nothing is left to do for now. */
  onIdle?(): void;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
}

/** How many parked tasks may wait side by side. */
const MAX_PARKED = 100;

/**
 * Carries out the tasks of a host, one at a time; parked ones continue beside it. A task that isn't settled, because the worker was killed or
 * has left, is claimed again by the host's next worker.
 */
export class TaskRunner {
  readonly #deps: TaskRunnerDeps;
  readonly #running = new Map<string, Promise<void>>();
  readonly #leaving = new AbortController();
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(deps: TaskRunnerDeps) {
    this.#deps = deps;
  }

  /** The types of orders that this worker can carry out, as it reports them. */
  get types(): string[] {
    return Object.keys(this.#deps.handlers);
  }

  /** Whether a task runs, or may be about to. */
  get isBusy(): boolean {
    return this.#looking !== undefined || this.#running.size > 0;
  }

  /** Carries out the answer to a report. @param open how many tasks of the host haven't ended */
  order(open: number): void {
    if (open <= this.#running.size || this.#closed) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = this.#work().finally(() => {
      this.#looking = undefined;
      this.#deps.onIdle?.();
    });
  }

  /** Begins no more tasks. What runs may end within `withinMs`; it is stopped then, and left to the host's next worker. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#leaving.abort(), withinMs);
    await Promise.allSettled([this.#looking, ...this.#running.values()]);
    clearTimeout(timer);
  }

  /** Stops everything without waiting for it. */
  abandon(): void {
    this.#closed = true;
    this.#leaving.abort();
  }

  async #work(): Promise<void> {
    do {
      this.#again = false;
      while (await this.#next());
    } while (this.#again && !this.#closed);
  }

  /** Claims a task and runs it, or until it is parked. @returns whether there was one */
  async #next(): Promise<boolean> {
    const { tasks, writer, log } = this.#deps;
    if (this.#closed || this.#running.size > MAX_PARKED) return false;
    try {
      const claimed = await tasks.claim(writer, this.types, [...this.#running.keys()]);
      if (!claimed) return false;
      const parked = Promise.withResolvers<void>();
      const done = this.#run(claimed.id, claimed.task, parked.resolve).finally(() => {
        this.#running.delete(claimed.id);
        this.#deps.onIdle?.();
      });
      this.#running.set(claimed.id, done);
      await Promise.race([done, parked.promise]);
      return true;
    } catch (error) {
      // The next report says again how many tasks are open.
      log.warn({ err: error }, 'claiming a task failed');
      return false;
    }
  }

  async #run(id: string, task: HostTask | undefined, park: () => void): Promise<void> {
    const { tasks, writer, log, metrics = NO_METRICS } = this.#deps;
    const ofTask = log.child({ taskId: id, ...(task && { type: task.order.type }) });
    const failed = (error: Error) => ofTask.warn({ err: error }, 'settling the task failed; trying again');
    try {
      const outcome = await this.#outcome(id, task, park);
      if (!outcome) return;
      await persist(() => tasks.settle(writer, id, outcome), failed);
      const result = 'result' in outcome ? 'succeeded' : 'failed';
      if (task) metrics.count('kiln_host_tasks_total', 1, { type: task.order.type, result });
      ofTask.info({ ...outcome }, 'result' in outcome ? 'task done' : 'task failed');
    } catch (error) {
      ofTask.warn({ err: error }, error instanceof TaskLost ? 'task lost to another worker' : 'task not settled');
    }
  }

  /** What became of the task; undefined if it was stopped because the worker leaves. */
  async #outcome(
    id: string,
    task: HostTask | undefined,
    park: () => void,
  ): Promise<Parameters<HostTasks['settle']>[2] | undefined> {
    const { signal } = this.#leaving;
    if (!task)
      return { failure: { code: 'invalid_order', message: 'this worker’s version doesn’t understand the order' } };
    const handler = this.#deps.handlers[task.order.type] as TaskHandler<typeof task.order.type> | undefined;
    if (!handler)
      return { failure: { code: 'invalid_order', message: `this worker has no handler of ${task.order.type} tasks` } };
    const context: TaskContext = { id, signal, park, progress: (progress) => this.#progress(id, progress) };
    try {
      return { result: await handler(task.order, context) };
    } catch (error) {
      if (signal.aborted) return undefined;
      const code = error instanceof TaskFailed ? error.code : 'failed';
      return { failure: { code, message: error instanceof Error ? error.message : String(error) } };
    }
  }

  async #progress(id: string, progress: HostTaskProgress): Promise<void> {
    const { tasks, writer, log } = this.#deps;
    await tasks
      .progress(writer, id, progress)
      .catch((error: unknown) => log.debug({ err: error, taskId: id }, 'reporting the progress failed'));
  }
}

import type { HostTaskHandlers } from './task-handler.ts';
import { TaskRunner, type TaskRunnerDeps } from './task-runner.ts';

/** Carries out the tasks of a host: evaluations of bake files, for which someone waits, beside the others, which may take minutes. */
export class TaskLanes implements Pick<TaskRunner, 'types' | 'isBusy' | 'order' | 'close' | 'abandon'> {
  readonly #lanes: readonly TaskRunner[];

  constructor(deps: TaskRunnerDeps) {
    const { evaluate, ...others } = deps.handlers;
    const lane = (handlers: HostTaskHandlers) => new TaskRunner({ ...deps, handlers });
    this.#lanes = [lane(others), ...(evaluate ? [lane({ evaluate })] : [])];
  }

  get types(): string[] {
    return this.#lanes.flatMap(({ types }) => types);
  }

  get isBusy(): boolean {
    return this.#lanes.some(({ isBusy }) => isBusy);
  }

  order(open: number): void {
    for (const lane of this.#lanes) lane.order(open);
  }

  async close(withinMs: number): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close(withinMs)));
  }

  abandon(): void {
    for (const lane of this.#lanes) lane.abandon();
  }
}

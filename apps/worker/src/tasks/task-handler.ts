import type { HostTaskFailure, HostTaskOrder, HostTaskProgress, HostTaskType } from '@kiln/contracts';

/** What a handler gets besides the order. */
export interface TaskContext {
  readonly id: string;
  /** Aborts when the worker leaves. The handler then stops where nothing is half done and throws; the host's next worker starts over. */
  readonly signal: AbortSignal;
  /** Reports how far the task is. Never throws: nothing depends on it. */
  progress(progress: HostTaskProgress): Promise<void>;
  /** Lets the host's next task begin while this one still runs. For handlers that wait for something that may take long. */
  park(): void;
}

/**
 * Carries out an order and returns the task's result, which is stored as JSON. It may be called again for the same task, by another process
 * after this one was killed at any point, so everything that it does must be repeatable.
 * @throws TaskFailed for a failure with a code of its own; any other error fails the task as `failed`
 */
export type TaskHandler<T extends HostTaskType> = (
  order: Extract<HostTaskOrder, { readonly type: T }>,
  context: TaskContext,
) => Promise<Readonly<Record<string, unknown>>>;

/** The handlers of this worker by the type of order. Orders of other types stay for a newer version. */
export type HostTaskHandlers = { readonly [T in HostTaskType]?: TaskHandler<T> };

/** A failure of a task that its reader is told about. */
export class TaskFailed extends Error {
  readonly code: HostTaskFailure;

  constructor(code: HostTaskFailure, message: string) {
    super(message);
    this.code = code;
  }
}

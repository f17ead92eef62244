import type { HostTasks, PoolEvents } from '@kiln/state';

/** How often a task is read without an event, ms: events may be missed while Redis is away. */
const LOOK_AGAIN_MS = 5_000;

export interface WaitForTask {
  readonly tasks: Pick<HostTasks, 'get'>;
  readonly events: Pick<PoolEvents, 'subscribe'>;
  readonly signal: AbortSignal;
}

/** Resolves when the task has ended or is gone, or `signal` aborts. */
export async function waitForTask(id: string, { tasks, events, signal }: WaitForTask): Promise<void> {
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const timer = setInterval(wake, LOOK_AGAIN_MS);
  signal.addEventListener('abort', wake, { once: true });
  using _ = events.subscribe((event) => {
    if (event.type === 'task' && event.id === id) wake();
  });
  try {
    while (!signal.aborted) {
      // A failed read wakes nobody: the next one may succeed.
      const task = await tasks.get(id).catch(() => 'unknown' as const);
      if (task !== 'unknown' && task?.endedAt !== undefined) return;
      if (task === undefined) return;
      await changed.promise;
      changed = Promise.withResolvers();
    }
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', wake);
  }
}

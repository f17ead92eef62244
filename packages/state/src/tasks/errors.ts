/** The host has as many open tasks as it may have. */
export class TooManyTasks extends Error {
  readonly code = 'too_many_tasks';
  readonly host: string;

  constructor(host: string) {
    super(`host ${host} has too many tasks that haven't ended`);
    this.host = host;
  }
}

/** The task isn't this worker's any more: another incarnation has taken it over, or the host was removed. */
export class TaskLost extends Error {
  readonly code = 'task_lost';

  constructor(id: string) {
    super(`task ${id} isn't this worker's any more`);
  }
}

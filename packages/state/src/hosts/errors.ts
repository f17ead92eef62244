/** A live worker of another machine has the host's name. */
export class HostNameTaken extends Error {
  readonly code = 'host_name_taken';
  constructor(name: string) {
    super(
      `a worker of another machine uses the name ${name}: choose another name (--name or KILN_HOST_NAME), or stop that worker`,
    );
  }
}

/** A newer worker process on the same machine replaced this one. */
export class WorkerReplaced extends Error {
  readonly code = 'worker_replaced';
  constructor(name: string) {
    super(`a newer worker process runs host ${name}`);
  }
}

/** An operator removed the host from the pool. */
export class HostRemoved extends Error {
  readonly code = 'host_removed';
  constructor(name: string) {
    super(`host ${name} was removed from the pool`);
  }
}

/** A change would give a host more labels than allowed. */
export class TooManyLabels extends Error {
  readonly code = 'too_many_labels';
  constructor(name: string) {
    super(`host ${name} would have too many labels`);
  }
}

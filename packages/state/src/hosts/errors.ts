/** Another machine's worker holds the host's name. */
export class HostNameTaken extends Error {
  readonly code = 'host_name_taken';
  constructor(name: string) {
    super(
      `another machine's worker is alive under the name ${name}: give this one another (--name or KILN_HOST_NAME), or stop that one`,
    );
  }
}

/** A newer worker process took this one's place on its machine. */
export class WorkerReplaced extends Error {
  readonly code = 'worker_replaced';
  constructor(name: string) {
    super(`a newer worker process runs host ${name}`);
  }
}

/** An operator took the host out of the pool. */
export class HostRemoved extends Error {
  readonly code = 'host_removed';
  constructor(name: string) {
    super(`host ${name} was removed from the pool`);
  }
}

/** A host would have more labels than it may. */
export class TooManyLabels extends Error {
  readonly code = 'too_many_labels';
  constructor(name: string) {
    super(`host ${name} would have too many labels`);
  }
}

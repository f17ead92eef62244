import type { TestHosts } from '../../support/hosts.ts';
import type { Pool } from '../../support/pool/pool.ts';

/** The hosts `a`, `b` and `c`, and their pool, for use inside a test. */
export interface HostsLab {
  readonly hosts: () => TestHosts;
  readonly pool: () => Pool;
}

import type { HostStore, Memory, ReplicaState } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { ApiProblem } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { replicaLines } from './replica-lines.ts';
import { liveLogSettings, memoryLines } from './watch-memory.ts';

const READY_TIMEOUT_MS = 2_000;

export interface HealthDeps {
  readonly hosts: Pick<HostStore, 'list'>;
  readonly memory: Pick<Memory, 'read'>;
  replicas?(): Promise<ReplicaState>;
  /** Aborts when the process stops; it is no longer ready then. */
  readonly closing: AbortSignal;
}

/** The routes of liveness and readiness probes. */
export function healthHandlers(
  config: ApiConfig,
  { hosts, memory, closing, ...deps }: HealthDeps,
): { readonly health: Handler; readonly ready: Handler } {
  return {
    async health(_request, response) {
      response.type('text/plain').send('ok\n');
    },

    async ready(_request, response) {
      if (closing.aborted) throw new ApiProblem('unavailable', 'this process is stopping');
      const reading = Promise.all([memory.read(liveLogSettings(config)), deps.replicas?.(), hosts.list()]);
      const [state, replicas] = await within(READY_TIMEOUT_MS, reading).catch((error: unknown) => {
        throw error instanceof ApiProblem
          ? error
          : new ApiProblem('unavailable', 'Kiln’s Redis responded with an error');
      });
      const lines = ['ready', ...memoryLines(state), ...replicaLines(replicas)];
      response.type('text/plain').send(`${lines.join('\n')}\n`);
    },
  };
}

import type { Logger } from '@kiln/runtime';
import type { DesiredState } from '@kiln/state';

/** Says in the worker's log what an answer to its report asks for that the last one didn't. `reported`: the worker's own slots. */
export function logOrders(
  log: Logger,
  before: DesiredState | undefined,
  { slots, labels, cordoned, drain }: DesiredState,
  reported: number,
): void {
  if (slots !== (before?.slots ?? reported)) log.info({ slots, reported }, 'slots set by the pool');
  if (before && JSON.stringify(before.labels) !== JSON.stringify(labels)) log.info({ labels }, 'labels changed');
  if (drain && !before?.drain) log.info({ ...drain }, 'draining');
  else if (cordoned && !before?.cordoned) log.info({}, 'cordoned');
  else if (!cordoned && before?.cordoned) log.info({}, 'uncordoned');
}

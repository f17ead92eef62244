import type { Logger } from '@kiln/runtime';
import type { DesiredState } from '@kiln/state';

/** Logs what the answer to a report asks for that the previous answer didn't. @param reported the worker's own number of slots */
export function logOrders(
  log: Logger,
  before: DesiredState | undefined,
  { slots, labels, cordoned, drain }: DesiredState,
  reported: number,
): void {
  if (slots !== (before?.slots ?? reported)) log.info({ slots, reported }, 'pool changed the slots');
  if (before && JSON.stringify(before.labels) !== JSON.stringify(labels))
    log.info({ labels }, 'pool changed the labels');
  if (drain && !before?.drain) log.info({ ...drain }, 'draining');
  else if (cordoned && !before?.cordoned) log.info({}, 'cordoned');
  else if (!cordoned && before?.cordoned) log.info({}, 'uncordoned');
}

import type { DeliveryFailure, EventOutcome, ForgeEvent } from '@kiln/contracts';
import { reportsStatuses } from '@kiln/forges';
import type { StoredConnection, StoredDelivery } from '@kiln/state';
import type { HookDeps } from '../ports.ts';
import { CONFIG_CONTEXT } from './delivery-view.ts';

/** Reports an invalid configuration at its commit, where the author looks. */
export async function reportConfigFault(
  event: ForgeEvent,
  { message }: DeliveryFailure,
  { connection, delivery }: { readonly connection: StoredConnection; readonly delivery: StoredDelivery },
  { reports, hookQueues }: Pick<HookDeps, 'reports' | 'hookQueues'>,
): Promise<EventOutcome> {
  const commit = commitOf(event);
  if (!('repository' in event) || commit === undefined) {
    return { event: event.type, none: message, images: [], canceled: [] };
  }
  const repository = event.repository.fullName;
  if (reportsStatuses(connection)) {
    const target = { connection: connection.name, repository, commit, context: CONFIG_CONTEXT };
    const fixed = { state: 'error', description: message, path: `/v1/hooks/deliveries/${delivery.id}` } as const;
    await hookQueues.reportStatus(await reports.fix(target, { ...fixed, id: delivery.id }));
  }
  return {
    event: `${event.forge}: ${event.type} of ${repository}`,
    repository,
    commit,
    none: message,
    images: [],
    canceled: [],
  };
}

function commitOf(event: ForgeEvent): string | undefined {
  switch (event.type) {
    case 'push':
      return event.after ?? undefined;
    case 'tag':
    case 'rerun':
      return event.commit ?? undefined;
    case 'pull_request':
      return event.head.commit;
    default:
      return undefined;
  }
}

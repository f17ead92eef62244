import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import type { ApiDeps } from '../ports.ts';
import { connectionHandlers } from './connections/connection-handlers.ts';
import { deliveryHandlers } from './incoming/delivery-handlers.ts';
import type { DeliveryWatch } from './incoming/delivery-watch.ts';
import { receiveHook } from './incoming/receive-hook.ts';
import { webhookHandlers } from './outgoing/webhook-handlers.ts';

/** The routes of incoming and outgoing webhooks, and of connections to forges. */
export function hookHandlers(
  config: ApiConfig,
  deps: ApiDeps & { readonly now: () => number },
  { watch, closing }: { readonly watch: DeliveryWatch; readonly closing: AbortSignal },
) {
  return {
    receiveWebhook: receiveHook(config, { ...deps, watch, closing }),
    ...connectionHandlers(config, deps),
    ...deliveryHandlers(config, deps),
    ...webhookHandlers(config, deps),
  } satisfies Record<string, Handler>;
}

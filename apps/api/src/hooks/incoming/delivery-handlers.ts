import { deliveryId, deliveryQuery, type OperationId } from '@kiln/contracts';
import { ALL_TEAMS, type Principal, seesTeam } from '@kiln/domain';
import type { StoredDelivery } from '@kiln/state';
import type { Request } from 'express';
import type { Handler } from '../../access/call.ts';
import type { ApiConfig } from '../../config.ts';
import { sendJson } from '../../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../../http/api-problem.ts';
import { within } from '../../http/deadline.ts';
import type { HookDeps } from '../ports.ts';
import { viewDelivery, viewWholeDelivery } from './delivery-view.ts';

type DeliveryOperation = Extract<OperationId, 'listDeliveries' | 'getDelivery' | 'redeliver'>;

/** The routes of incoming webhooks' deliveries. */
export function deliveryHandlers(
  config: ApiConfig,
  { deliveries, reports, hookQueues }: Pick<HookDeps, 'deliveries' | 'reports' | 'hookQueues'>,
): Record<DeliveryOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  /** Deliveries of other teams are reported as not found. */
  const found = async (request: Request, principal: Principal): Promise<StoredDelivery> => {
    const id = parameter(deliveryId, 'id', request.params.id);
    const delivery = await stored(deliveries.get(id));
    if (delivery && seesTeam(principal, delivery.team)) return delivery;
    throw fieldProblem('delivery_not_found', 'id', id, 'the id of a delivery');
  };

  return {
    async listDeliveries(request, response, { principal: { team } }) {
      const { limit, cursor, ...filter } = parsed(deliveryQuery, request.query, 'query ');
      const own = team === ALL_TEAMS ? undefined : team;
      const page = await stored(deliveries.list({ ...filter, team: own }, { limit, cursor }));
      sendJson(response, 200, { ...page, deliveries: page.deliveries.map(viewDelivery) });
    },

    async getDelivery(request, response, { principal }) {
      const delivery = await found(request, principal);
      sendJson(response, 200, await stored(viewWholeDelivery(delivery, reports)));
    },

    async redeliver(request, response, { principal }) {
      const delivery = await found(request, principal);
      // A pending delivery continues, but its next try runs at once.
      const open = delivery.state === 'pending' ? delivery : await stored(deliveries.reopen(delivery));
      await stored(hookQueues.planDeliveryNow(open.id, open.round));
      response.setHeader('Location', `/v1/hooks/deliveries/${open.id}`);
      sendJson(response, 202, viewDelivery(open));
    },
  };
}

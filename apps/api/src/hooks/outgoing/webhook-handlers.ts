import { randomBytes } from 'node:crypto';
import {
  type MessageView,
  messageId,
  messageQuery,
  type OperationId,
  type WebhookView,
  webhookId,
  webhookRequest,
} from '@kiln/contracts';
import { ALL_TEAMS, type Principal, seesTeam, teamFor } from '@kiln/domain';
import type { StoredMessage, StoredWebhook } from '@kiln/state';
import type { Request } from 'express';
import type { Handler } from '../../access/call.ts';
import type { ApiConfig } from '../../config.ts';
import { instant, sendJson } from '../../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../../http/api-problem.ts';
import { within } from '../../http/deadline.ts';
import { jsonBody } from '../../http/json-body.ts';
import type { HookDeps } from '../ports.ts';

type WebhookOperation = Extract<
  OperationId,
  'createWebhook' | 'listWebhooks' | 'deleteWebhook' | 'listMessages' | 'resendMessage'
>;

const SECRET_BYTES = 32;

/** The routes by which teams have Kiln call them. */
export function webhookHandlers(
  config: ApiConfig,
  { webhooks, hookQueues }: Pick<HookDeps, 'webhooks' | 'hookQueues'>,
): Record<WebhookOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  /** Those of other teams don't exist. */
  const found = async (request: Request, principal: Principal): Promise<StoredWebhook> => {
    const id = parameter(webhookId, 'id', request.params.id);
    const webhook = await stored(webhooks.get(id));
    if (webhook && seesTeam(principal, webhook.team)) return webhook;
    throw fieldProblem('webhook_not_found', 'id', id, 'the id of a webhook; GET /v1/webhooks lists them');
  };

  return {
    async createWebhook(request, response, { principal, note }) {
      const asked = parsed(webhookRequest, await jsonBody(request, config.maxJsonBytes));
      const team = teamFor(principal, asked.team);
      if (team === undefined) {
        const own = `${principal.team}, the team of ${principal.name}`;
        throw fieldProblem('forbidden', 'team', JSON.stringify(asked.team), own);
      }
      const secret = asked.secret ?? `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
      const { url, events } = asked;
      const webhook = await stored(webhooks.create({ team, url, events, secret, createdBy: principal.name }));
      note({ target: webhook.id, details: { team, host: new URL(url).host, events: events.join(' ') } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 201, { ...viewWebhook(webhook), secret });
    },

    async listWebhooks(_request, response, { principal: { team } }) {
      const own = await stored(webhooks.list(team === ALL_TEAMS ? undefined : team));
      sendJson(response, 200, { webhooks: own.map(viewWebhook) });
    },

    async deleteWebhook(request, response, { principal, note }) {
      const webhook = await found(request, principal);
      await stored(webhooks.remove(webhook.id));
      note({ details: { team: webhook.team, host: new URL(webhook.url).host } });
      sendJson(response, 200, viewWebhook(webhook));
    },

    async listMessages(request, response, { principal }) {
      const { limit, state } = parsed(messageQuery, request.query, 'query ');
      const { id } = await found(request, principal);
      sendJson(response, 200, { messages: (await stored(webhooks.messages(id, limit, state))).map(viewMessage) });
    },

    async resendMessage(request, response, { principal, note }) {
      const webhook = await found(request, principal);
      const id = parameter(messageId, 'message', request.params.message);
      const message = await stored(webhooks.message(id));
      if (message?.webhook !== webhook.id) {
        throw fieldProblem('message_not_found', 'message', id, 'the id of a message of this webhook');
      }
      const { why: _, retryAt: __, ...rest } = message;
      // One that is being sent goes on as it is.
      const next: StoredMessage =
        message.state === 'pending' ? message : { ...rest, state: 'pending', round: message.round + 1, tries: 0 };
      await stored(webhooks.saveMessage(next));
      await stored(hookQueues.sendMessage(next.id, next.round));
      note({ details: { message: id } });
      sendJson(response, 202, viewMessage(next));
    },
  };
}

function viewWebhook({ secret: _, createdAt, disabledAt, events, ...webhook }: StoredWebhook): WebhookView {
  return {
    ...{ ...webhook, events: [...events], createdAt: instant(createdAt) },
    ...(disabledAt !== undefined && { disabledAt: instant(disabledAt) }),
  };
}

function viewMessage({ body: _, round: __, createdAt, triedAt, retryAt, ...message }: StoredMessage): MessageView {
  return {
    ...{ ...message, createdAt: instant(createdAt) },
    ...(triedAt !== undefined && { triedAt: instant(triedAt) }),
    ...(retryAt !== undefined && { retryAt: instant(retryAt) }),
  };
}

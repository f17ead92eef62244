import { randomBytes } from 'node:crypto';
import {
  type MessageView,
  messageId,
  messageQuery,
  type OperationId,
  type WebhookView,
  webhookId,
  webhookRequest,
  webhookSecretRotation,
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
import { isValid, outgoingSecret } from '../valid-secrets.ts';

type WebhookOperation = Extract<
  OperationId,
  'createWebhook' | 'listWebhooks' | 'rotateWebhookSecret' | 'deleteWebhook' | 'listMessages' | 'resendMessage'
>;

const SECRET_BYTES = 32;

/** The routes with which teams manage the webhooks that Kiln sends. */
export function webhookHandlers(
  config: ApiConfig,
  { webhooks, hookQueues, now }: Pick<HookDeps, 'webhooks' | 'hookQueues'> & { readonly now: () => number },
): Record<WebhookOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  /** Webhooks of other teams are reported as not found. */
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
      const secret = asked.secret ?? makeSecret();
      const { url, events } = asked;
      const webhook = await stored(webhooks.create({ team, url, events, secret, createdBy: principal.name }));
      note({ target: webhook.id, details: { team, host: new URL(url).host, events: events.join(' ') } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 201, { ...viewWebhook(webhook, now()), secret });
    },

    async listWebhooks(_request, response, { principal: { team } }) {
      const own = await stored(webhooks.list(team === ALL_TEAMS ? undefined : team));
      sendJson(response, 200, { webhooks: own.map((one) => viewWebhook(one, now())) });
    },

    async rotateWebhookSecret(request, response, { principal, note }) {
      const webhook = await found(request, principal);
      const asked = parsed(webhookSecretRotation, await jsonBody(request, config.maxJsonBytes));
      if (asked.secret === webhook.secret) {
        throw fieldProblem('invalid_request', 'secret', 'the current secret', 'another one');
      }
      const secret = asked.secret ?? makeSecret();
      const nowMs = now();
      const previous = outgoingSecret(webhook.secret, asked.overlapSeconds, nowMs);
      const rotated = await stored(webhooks.rotate(webhook, secret, previous));
      note({ details: { team: webhook.team, overlapSeconds: String(asked.overlapSeconds) } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 200, { ...viewWebhook(rotated, nowMs), secret });
    },

    async deleteWebhook(request, response, { principal, note }) {
      const webhook = await found(request, principal);
      await stored(webhooks.remove(webhook.id));
      note({ details: { team: webhook.team, host: new URL(webhook.url).host } });
      sendJson(response, 200, viewWebhook(webhook, now()));
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
      const isOpen = message.state === 'pending';
      const next: StoredMessage = isOpen ? rest : { ...rest, state: 'pending', round: message.round + 1, tries: 0 };
      // The job of an open message may save its outcome at this very moment, so only the job writes that one.
      if (!isOpen) await stored(webhooks.saveMessage(next));
      await stored(hookQueues.sendMessageNow(next.id, next.round));
      note({ details: { message: id } });
      sendJson(response, 202, viewMessage(next));
    },
  };
}

function makeSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

function viewWebhook(
  { secret: _, previous, createdAt, disabledAt, events, ...webhook }: StoredWebhook,
  nowMs: number,
): WebhookView {
  return {
    ...{ ...webhook, events: [...events], createdAt: instant(createdAt) },
    ...(disabledAt !== undefined && { disabledAt: instant(disabledAt) }),
    ...(previous && isValid(previous, nowMs) && { previousSecretExpiresAt: instant(previous.expiresAt) }),
  };
}

function viewMessage({ body: _, round: __, createdAt, triedAt, retryAt, ...message }: StoredMessage): MessageView {
  return {
    ...{ ...message, createdAt: instant(createdAt) },
    ...(triedAt !== undefined && { triedAt: instant(triedAt) }),
    ...(retryAt !== undefined && { retryAt: instant(retryAt) }),
  };
}

import type { Scope, TeamReach } from '@kiln/domain';
import {
  connectionList,
  connectionName,
  connectionRequest,
  connectionSecretRotation,
  connectionView,
  forgeName,
} from '../hooks/connection.ts';
import { deliveryId, deliveryPage, deliveryQuery, deliveryView } from '../hooks/delivery.ts';
import {
  messageId,
  messagePage,
  messageQuery,
  messageView,
  webhookId,
  webhookList,
  webhookRequest,
  webhookSecretRotation,
  webhookView,
} from '../hooks/webhook.ts';
import type { RouteDoc } from './route.ts';

const users = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams }) as const;

const BODY_PROBLEMS = ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const;
const delivery = { 'application/json': deliveryView };
const connection = { 'application/json': connectionView };
const payload = { raw: 'text', description: 'The payload as the forge sends it, at most 25 MB.' } as const;

/** Webhooks of forges, what becomes of them, and webhooks that Kiln sends. */
export const HOOK_ROUTES = {
  // Before the route of the webhooks themselves: that one's pattern fits these paths, too.
  listDeliveries: {
    method: 'get',
    path: '/v1/hooks/deliveries',
    tag: 'Webhooks',
    access: users('builds:read', 'list'),
    summary: 'List webhooks that came, newest first',
    query: deliveryQuery,
    answers: { 200: { description: 'A page of deliveries.', content: { 'application/json': deliveryPage } } },
    problems: ['invalid_request'],
  },
  getDelivery: {
    method: 'get',
    path: '/v1/hooks/deliveries/:id',
    tag: 'Webhooks',
    access: users('builds:read', 'own'),
    summary: 'Read what became of a webhook',
    description: 'Which builds it made, why it made no others, and what was reported to the forge.',
    params: { id: deliveryId },
    answers: { 200: { description: 'The delivery.', content: delivery } },
    problems: ['invalid_request', 'delivery_not_found'],
  },
  redeliver: {
    method: 'post',
    path: '/v1/hooks/deliveries/:id/redeliver',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Work on a webhook once more',
    description: 'Images that it has built aren’t built again: `retry` does that.',
    params: { id: deliveryId },
    answers: { 202: { description: 'It is worked on.', content: delivery } },
    problems: ['invalid_request', 'delivery_not_found'],
  },
  receiveWebhook: {
    method: 'post',
    path: '/v1/hooks/:forge/:connection',
    tag: 'Webhooks',
    access: { who: 'anyone' },
    summary: 'Take a forge’s webhook',
    description:
      'Shown to be the forge’s by its signature or token, over the bytes as they came. Answered within a second: with the builds that it made, or while it is still worked on with the address where that will be said. A repeat with the same delivery id makes nothing twice; one whose work has failed is worked on again.',
    params: { forge: forgeName, connection: connectionName },
    body: { 'application/json': payload, 'application/x-www-form-urlencoded': payload },
    answers: {
      202: {
        description: 'Stored durably.',
        content: delivery,
        headers: { Location: { description: 'Address of the delivery.' } },
      },
    },
    problems: ['invalid_request', 'unsupported_media_type', 'body_too_large', 'unauthorized', 'connection_not_found'],
  },
  listConnections: {
    method: 'get',
    path: '/v1/connections',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'List connections to forges',
    answers: { 200: { description: 'All of them.', content: { 'application/json': connectionList } } },
    problems: [],
  },
  getConnection: {
    method: 'get',
    path: '/v1/connections/:name',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Read a connection',
    description: 'Without its secrets: no route shows those.',
    params: { name: connectionName },
    answers: { 200: { description: 'The connection.', content: connection } },
    problems: ['invalid_request', 'connection_not_found'],
  },
  putConnection: {
    method: 'put',
    path: '/v1/connections/:name',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Make or replace a connection',
    description:
      'Secrets that are left out stay as they are; where `url` or `apiUrl` becomes another host, they have to be given again.',
    params: { name: connectionName },
    body: { 'application/json': connectionRequest },
    answers: {
      200: { description: 'Replaced.', content: connection },
      201: { description: 'Made.', content: connection },
    },
    problems: [...BODY_PROBLEMS],
  },
  rotateConnectionSecret: {
    method: 'post',
    path: '/v1/connections/:name/rotate-secret',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Rotate a connection’s webhook secret',
    description:
      'Webhooks are accepted by the new secret, and until `overlapSeconds` have passed by the old one, too. At most two secrets are valid at a time: another rotation ends the older one.',
    params: { name: connectionName },
    body: { 'application/json': connectionSecretRotation },
    answers: { 200: { description: 'The connection; with its new secret if Kiln made it up.', content: connection } },
    problems: [...BODY_PROBLEMS, 'connection_not_found'],
  },
  deleteConnection: {
    method: 'delete',
    path: '/v1/connections/:name',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Remove a connection',
    description: 'Its webhooks are refused from then on, and no statuses are reported any more.',
    params: { name: connectionName },
    answers: { 200: { description: 'The connection as it was.', content: connection } },
    problems: ['invalid_request', 'connection_not_found'],
  },
  createWebhook: {
    method: 'post',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    access: users('builds:write', 'request'),
    summary: 'Have Kiln call an address',
    description:
      'When builds of a team begin or end. Messages are signed as standardwebhooks.com has it (`webhook-id`, `webhook-timestamp`, `webhook-signature`), and sent again for about a day until the target answers 2xx. Redirects aren’t followed.',
    body: { 'application/json': webhookRequest },
    answers: { 201: { description: 'Made; with its secret.', content: { 'application/json': webhookView } } },
    problems: [...BODY_PROBLEMS],
  },
  listWebhooks: {
    method: 'get',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    access: users('builds:read', 'list'),
    summary: 'List webhooks that Kiln sends',
    answers: { 200: { description: 'All of them.', content: { 'application/json': webhookList } } },
    problems: [],
  },
  rotateWebhookSecret: {
    method: 'post',
    path: '/v1/webhooks/:id/rotate-secret',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Rotate a webhook’s secret',
    description:
      'Messages are signed with the new secret, and until `overlapSeconds` have passed with the old one, too: `webhook-signature` then has two signatures, separated by a space. Another rotation ends the older secret.',
    params: { id: webhookId },
    body: { 'application/json': webhookSecretRotation },
    answers: {
      200: { description: 'The webhook, with its new secret.', content: { 'application/json': webhookView } },
    },
    problems: [...BODY_PROBLEMS, 'webhook_not_found'],
  },
  deleteWebhook: {
    method: 'delete',
    path: '/v1/webhooks/:id',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Remove a webhook',
    description: 'With its messages, also those that haven’t been delivered.',
    params: { id: webhookId },
    answers: { 200: { description: 'As it was.', content: { 'application/json': webhookView } } },
    problems: ['invalid_request', 'webhook_not_found'],
  },
  listMessages: {
    method: 'get',
    path: '/v1/webhooks/:id/messages',
    tag: 'Webhooks',
    access: users('builds:read', 'own'),
    summary: 'List a webhook’s messages, newest first',
    params: { id: webhookId },
    query: messageQuery,
    answers: { 200: { description: 'Of the last 30 days.', content: { 'application/json': messagePage } } },
    problems: ['invalid_request', 'webhook_not_found'],
  },
  resendMessage: {
    method: 'post',
    path: '/v1/webhooks/:id/messages/:message/resend',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Send a message again, at once',
    description:
      'A message that waits for its next try is sent without waiting. One that was delivered, or that is `dead`, gets a new round of tries.',
    params: { id: webhookId, message: messageId },
    answers: { 202: { description: 'It is being sent.', content: { 'application/json': messageView } } },
    problems: ['invalid_request', 'webhook_not_found', 'message_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;

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

/** Routes for webhooks of forges and for webhooks that Kiln sends. */
export const HOOK_ROUTES = {
  // Has to precede `receiveWebhook`, whose pattern matches these paths, too.
  listDeliveries: {
    method: 'get',
    path: '/v1/hooks/deliveries',
    tag: 'Webhooks',
    access: users('builds:read', 'list'),
    summary: 'List webhook deliveries, newest first',
    query: deliveryQuery,
    answers: { 200: { description: 'A page of deliveries.', content: { 'application/json': deliveryPage } } },
    problems: ['invalid_request'],
  },
  getDelivery: {
    method: 'get',
    path: '/v1/hooks/deliveries/:id',
    tag: 'Webhooks',
    access: users('builds:read', 'own'),
    summary: 'Get a webhook delivery',
    description: 'Shows which builds it triggered, why it triggered no others, and what was reported to the forge.',
    params: { id: deliveryId },
    answers: { 200: { description: 'The delivery.', content: delivery } },
    problems: ['invalid_request', 'delivery_not_found'],
  },
  redeliver: {
    method: 'post',
    path: '/v1/hooks/deliveries/:id/redeliver',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Process a webhook delivery again',
    description: 'Images that it has built are not built again; use `retry` for that.',
    params: { id: deliveryId },
    answers: { 202: { description: 'The delivery is processed again.', content: delivery } },
    problems: ['invalid_request', 'delivery_not_found'],
  },
  receiveWebhook: {
    method: 'post',
    path: '/v1/hooks/:forge/:connection',
    tag: 'Webhooks',
    access: { who: 'anyone' },
    summary: 'Receive a forge’s webhook',
    description:
      'Verified by the signature over its body, or its token. The response comes within a second: with the builds that it triggered or, if processing takes longer, with the URL of the delivery. A repeat with the same delivery id triggers nothing twice; a failed delivery is processed again.',
    params: { forge: forgeName, connection: connectionName },
    body: { 'application/json': payload, 'application/x-www-form-urlencoded': payload },
    answers: {
      202: {
        description: 'Stored durably.',
        content: delivery,
        headers: { Location: { description: 'URL of the delivery.' } },
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
    answers: { 200: { description: 'All connections.', content: { 'application/json': connectionList } } },
    problems: [],
  },
  getConnection: {
    method: 'get',
    path: '/v1/connections/:name',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Get a connection',
    description: 'Without its secrets, which no route shows.',
    params: { name: connectionName },
    answers: { 200: { description: 'The connection.', content: connection } },
    problems: ['invalid_request', 'connection_not_found'],
  },
  putConnection: {
    method: 'put',
    path: '/v1/connections/:name',
    tag: 'Webhooks',
    access: users('admin', 'pool'),
    summary: 'Create or replace a connection',
    description:
      'Secrets that are omitted stay as they are, but must be given again if the host of `url` or `apiUrl` changes.',
    params: { name: connectionName },
    body: { 'application/json': connectionRequest },
    answers: {
      200: { description: 'Replaced.', content: connection },
      201: { description: 'Created.', content: connection },
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
    description: 'From then on its webhooks are refused, and no statuses are reported.',
    params: { name: connectionName },
    answers: { 200: { description: 'The connection as it was.', content: connection } },
    problems: ['invalid_request', 'connection_not_found'],
  },
  createWebhook: {
    method: 'post',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    access: users('builds:write', 'request'),
    summary: 'Create a webhook',
    description:
      'Kiln calls its URL when builds of a team start or end. Messages are signed as specified by standardwebhooks.com (`webhook-id`, `webhook-timestamp`, `webhook-signature`), and resent for about a day until the target answers 2xx. Redirects are not followed.',
    body: { 'application/json': webhookRequest },
    answers: { 201: { description: 'Created, with its secret.', content: { 'application/json': webhookView } } },
    problems: [...BODY_PROBLEMS],
  },
  listWebhooks: {
    method: 'get',
    path: '/v1/webhooks',
    tag: 'Webhooks',
    access: users('builds:read', 'list'),
    summary: 'List outgoing webhooks',
    answers: { 200: { description: 'All webhooks.', content: { 'application/json': webhookList } } },
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
    description: 'Also removes its messages, including those that haven’t been delivered.',
    params: { id: webhookId },
    answers: { 200: { description: 'The webhook as it was.', content: { 'application/json': webhookView } } },
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
    answers: {
      200: { description: 'The messages of the last 30 days.', content: { 'application/json': messagePage } },
    },
    problems: ['invalid_request', 'webhook_not_found'],
  },
  resendMessage: {
    method: 'post',
    path: '/v1/webhooks/:id/messages/:message/resend',
    tag: 'Webhooks',
    access: users('builds:write', 'own'),
    summary: 'Resend a message at once',
    description:
      'A message that waits for its next try is sent without waiting. One that was delivered, or that is `dead`, gets a new round of tries.',
    params: { id: webhookId, message: messageId },
    answers: { 202: { description: 'The message is being sent.', content: { 'application/json': messageView } } },
    problems: ['invalid_request', 'webhook_not_found', 'message_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;

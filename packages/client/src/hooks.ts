import {
  type ConnectionRequest,
  type ConnectionSecretRotation,
  type ConnectionView,
  connectionList,
  connectionView,
  type DeliveryView,
  deliveryPage,
  deliveryView,
  type MessageView,
  messagePage,
  messageView,
  type WebhookRequest,
  type WebhookSecretRotation,
  type WebhookView,
  webhookList,
  webhookView,
} from '@kiln/contracts';
import type { z } from 'zod';
import type { Call } from './transport.ts';

/** Calls a route and reads its answer. */
type CallJson = <S extends z.ZodType>(path: string, schema: S, call: Call) => Promise<z.output<S>>;

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** Webhooks, in and out. Every method throws as those of `KilnClient` do. */
export class HooksClient {
  readonly #json: CallJson;

  constructor(json: CallJson) {
    this.#json = json;
  }

  /** Needs the scope `admin`, as do the three below. */
  async connections({ signal }: Options = {}): Promise<ConnectionView[]> {
    return (await this.#json('/v1/connections', connectionList, { signal })).connections;
  }

  connection(name: string, { signal }: Options = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { signal });
  }

  /** Makes it, or replaces the one of its name. A webhook secret that Kiln made up is in the answer, this once. */
  putConnection(name: string, request: ConnectionRequest, { signal }: Options = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { method: 'PUT', ...jsonBody(request), signal });
  }

  /** Rotates the webhook secret. A new one that Kiln made up is in the answer, this once. */
  rotateConnectionSecret(
    name: string,
    rotation: ConnectionSecretRotation = {},
    { signal }: Options = {},
  ): Promise<ConnectionView> {
    const path = `${connectionPath(name)}/rotate-secret`;
    return this.#json(path, connectionView, { method: 'POST', ...jsonBody(rotation), signal });
  }

  removeConnection(name: string, { signal }: Options = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { method: 'DELETE', signal });
  }

  /** Webhooks that came, newest first. */
  async deliveries({
    signal,
    ...query
  }: Options & {
    readonly connection?: string | undefined;
    readonly state?: DeliveryView['state'] | undefined;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
  } = {}): Promise<{ deliveries: DeliveryView[]; next?: string | undefined }> {
    return this.#json('/v1/hooks/deliveries', deliveryPage, { query, signal });
  }

  delivery(id: string, { signal }: Options = {}): Promise<DeliveryView> {
    return this.#json(deliveryPath(id), deliveryView, { signal });
  }

  /** Has it worked on once more; doesn't wait for that. */
  redeliver(id: string, { signal }: Options = {}): Promise<DeliveryView> {
    return this.#json(`${deliveryPath(id)}/redeliver`, deliveryView, { method: 'POST', signal });
  }

  /** The answer holds its secret, this once. */
  createWebhook(request: WebhookRequest, { signal }: Options = {}): Promise<WebhookView> {
    return this.#json('/v1/webhooks', webhookView, { method: 'POST', ...jsonBody(request), signal });
  }

  /** Webhooks that Kiln sends, oldest first. */
  async webhooks({ signal }: Options = {}): Promise<WebhookView[]> {
    return (await this.#json('/v1/webhooks', webhookList, { signal })).webhooks;
  }

  /** Rotates the secret that signs messages. The new one is in the answer, this once. */
  rotateWebhookSecret(
    id: string,
    rotation: WebhookSecretRotation = {},
    { signal }: Options = {},
  ): Promise<WebhookView> {
    const path = `${webhookPath(id)}/rotate-secret`;
    return this.#json(path, webhookView, { method: 'POST', ...jsonBody(rotation), signal });
  }

  removeWebhook(id: string, { signal }: Options = {}): Promise<WebhookView> {
    return this.#json(webhookPath(id), webhookView, { method: 'DELETE', signal });
  }

  /** Newest first. */
  async messages(
    webhook: string,
    {
      signal,
      ...query
    }: Options & { readonly state?: MessageView['state'] | undefined; readonly limit?: number | undefined } = {},
  ): Promise<MessageView[]> {
    return (await this.#json(`${webhookPath(webhook)}/messages`, messagePage, { query, signal })).messages;
  }

  /** Sends a message again, at once; doesn't wait for the outcome. */
  resend(webhook: string, message: string, { signal }: Options = {}): Promise<MessageView> {
    const path = `${webhookPath(webhook)}/messages/${encodeURIComponent(message)}/resend`;
    return this.#json(path, messageView, { method: 'POST', signal });
  }
}

function connectionPath(name: string): string {
  return `/v1/connections/${encodeURIComponent(name)}`;
}

function deliveryPath(id: string): string {
  return `/v1/hooks/deliveries/${encodeURIComponent(id)}`;
}

function webhookPath(id: string): string {
  return `/v1/webhooks/${encodeURIComponent(id)}`;
}

function jsonBody(body: unknown): Pick<Call, 'headers' | 'body'> {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

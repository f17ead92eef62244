import {
  type ConnectionRequest,
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
  type WebhookView,
  webhookList,
  webhookView,
} from '@kiln/contracts';
import { type CallJson, jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';

/** Incoming and outgoing webhooks. Every method throws the same errors as those of `KilnClient`. */
export class HooksClient {
  readonly #json: CallJson;

  constructor(json: CallJson) {
    this.#json = json;
  }

  /** Lists the connections to forges. Needs the scope `admin`, as do the other methods about connections. */
  async connections({ signal }: CallOptions = {}): Promise<ConnectionView[]> {
    return (await this.#json('/v1/connections', connectionList, { signal })).connections;
  }

  connection(name: string, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { signal });
  }

  /** Creates a connection or replaces the one of the same name. Only this answer contains a webhook secret that Kiln generated. */
  putConnection(name: string, request: ConnectionRequest, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { method: 'PUT', ...jsonBody(request), signal });
  }

  removeConnection(name: string, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), connectionView, { method: 'DELETE', signal });
  }

  /** Lists incoming webhooks, newest first. */
  async deliveries({
    signal,
    ...query
  }: CallOptions & {
    readonly connection?: string | undefined;
    readonly state?: DeliveryView['state'] | undefined;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
  } = {}): Promise<{ deliveries: DeliveryView[]; next?: string | undefined }> {
    return this.#json('/v1/hooks/deliveries', deliveryPage, { query, signal });
  }

  delivery(id: string, { signal }: CallOptions = {}): Promise<DeliveryView> {
    return this.#json(deliveryPath(id), deliveryView, { signal });
  }

  /** Schedules a delivery to be processed again. Doesn't wait for that. */
  redeliver(id: string, { signal }: CallOptions = {}): Promise<DeliveryView> {
    return this.#json(`${deliveryPath(id)}/redeliver`, deliveryView, { method: 'POST', signal });
  }

  /** Creates an outgoing webhook. Only this answer contains its secret. */
  createWebhook(request: WebhookRequest, { signal }: CallOptions = {}): Promise<WebhookView> {
    return this.#json('/v1/webhooks', webhookView, { method: 'POST', ...jsonBody(request), signal });
  }

  /** Lists outgoing webhooks, oldest first. */
  async webhooks({ signal }: CallOptions = {}): Promise<WebhookView[]> {
    return (await this.#json('/v1/webhooks', webhookList, { signal })).webhooks;
  }

  removeWebhook(id: string, { signal }: CallOptions = {}): Promise<WebhookView> {
    return this.#json(webhookPath(id), webhookView, { method: 'DELETE', signal });
  }

  /** Lists the messages of an outgoing webhook, newest first. */
  async messages(
    webhook: string,
    {
      signal,
      ...query
    }: CallOptions & { readonly state?: MessageView['state'] | undefined; readonly limit?: number | undefined } = {},
  ): Promise<MessageView[]> {
    return (await this.#json(`${webhookPath(webhook)}/messages`, messagePage, { query, signal })).messages;
  }

  /** Schedules a message to be sent again. Doesn't wait for that. */
  resend(webhook: string, message: string, { signal }: CallOptions = {}): Promise<MessageView> {
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

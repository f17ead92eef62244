import type {
  ConnectionRequest,
  ConnectionSecretRotation,
  ConnectionView,
  DeliveryView,
  MessageView,
  WebhookRequest,
  WebhookSecretRotation,
  WebhookView,
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
    return (await this.#json('/v1/connections', 'connectionList', { signal })).connections;
  }

  connection(name: string, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), 'connectionView', { signal });
  }

  /** Creates a connection or replaces the one of the same name. Only this answer contains a webhook secret that Kiln generated. */
  putConnection(name: string, request: ConnectionRequest, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), 'connectionView', { method: 'PUT', ...jsonBody(request), signal });
  }

  /** Rotates the webhook secret. A new one that Kiln made up is in the answer, this once. */
  rotateConnectionSecret(
    name: string,
    rotation: ConnectionSecretRotation = {},
    { signal }: CallOptions = {},
  ): Promise<ConnectionView> {
    const path = `${connectionPath(name)}/rotate-secret`;
    return this.#json(path, 'connectionView', { method: 'POST', ...jsonBody(rotation), signal });
  }

  removeConnection(name: string, { signal }: CallOptions = {}): Promise<ConnectionView> {
    return this.#json(connectionPath(name), 'connectionView', { method: 'DELETE', signal });
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
    return this.#json('/v1/hooks/deliveries', 'deliveryPage', { query, signal });
  }

  delivery(id: string, { signal }: CallOptions = {}): Promise<DeliveryView> {
    return this.#json(deliveryPath(id), 'deliveryView', { signal });
  }

  /** Schedules a delivery to be processed again. Doesn't wait for that. */
  redeliver(id: string, { signal }: CallOptions = {}): Promise<DeliveryView> {
    return this.#json(`${deliveryPath(id)}/redeliver`, 'deliveryView', { method: 'POST', signal });
  }

  /** Creates an outgoing webhook. Only this answer contains its secret. */
  createWebhook(request: WebhookRequest, { signal }: CallOptions = {}): Promise<WebhookView> {
    return this.#json('/v1/webhooks', 'webhookView', { method: 'POST', ...jsonBody(request), signal });
  }

  /** Lists outgoing webhooks, oldest first. */
  async webhooks({ signal }: CallOptions = {}): Promise<WebhookView[]> {
    return (await this.#json('/v1/webhooks', 'webhookList', { signal })).webhooks;
  }

  /** Rotates the secret that signs messages. The new one is in the answer, this once. */
  rotateWebhookSecret(
    id: string,
    rotation: WebhookSecretRotation = {},
    { signal }: CallOptions = {},
  ): Promise<WebhookView> {
    const path = `${webhookPath(id)}/rotate-secret`;
    return this.#json(path, 'webhookView', { method: 'POST', ...jsonBody(rotation), signal });
  }

  removeWebhook(id: string, { signal }: CallOptions = {}): Promise<WebhookView> {
    return this.#json(webhookPath(id), 'webhookView', { method: 'DELETE', signal });
  }

  /** Lists the messages of an outgoing webhook, newest first. */
  async messages(
    webhook: string,
    {
      signal,
      ...query
    }: CallOptions & { readonly state?: MessageView['state'] | undefined; readonly limit?: number | undefined } = {},
  ): Promise<MessageView[]> {
    return (await this.#json(`${webhookPath(webhook)}/messages`, 'messagePage', { query, signal })).messages;
  }

  /** Sends a message again, at once; doesn't wait for the outcome. */
  resend(webhook: string, message: string, { signal }: CallOptions = {}): Promise<MessageView> {
    const path = `${webhookPath(webhook)}/messages/${encodeURIComponent(message)}/resend`;
    return this.#json(path, 'messageView', { method: 'POST', signal });
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

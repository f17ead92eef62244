import { createHash } from 'node:crypto';
import { connectionName, forgeName } from '@kiln/contracts';
import { type Forge, forge, type Headers, type Verification } from '@kiln/forges';
import type { ConnectionSecrets, StoredDelivery } from '@kiln/state';
import type { Logger } from 'pino';
import type { Handler } from '../../access/call.ts';
import type { ApiConfig } from '../../config.ts';
import { sendJson } from '../../http/answer.ts';
import { ApiProblem, parameter } from '../../http/api-problem.ts';
import { within } from '../../http/deadline.ts';
import { connectionNotFound } from '../connections/connection-handlers.ts';
import type { HookDeps } from '../ports.ts';
import { validSecrets } from '../valid-secrets.ts';
import { connectionPrincipal } from './connection-principal.ts';
import { viewDelivery } from './delivery-view.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import { HookReader } from './read-hook.ts';

/** The headers that say what the body is, which are stored. Signatures and tokens aren't. */
const KEPT_HEADERS = [
  'content-type',
  'x-github-event',
  'x-gitlab-event',
  'x-gitea-event',
  'x-gitea-event-type',
  'x-forgejo-event',
  'x-forgejo-event-type',
  'x-event-key',
] as const;

export interface ReceiveDeps extends Pick<HookDeps, 'connections' | 'deliveries' | 'hookQueues'> {
  readonly watch: DeliveryWatch;
  readonly now: () => number;
  readonly log: Logger;
  readonly closing: AbortSignal;
}

/**
 * Receives a forge's webhook: verifies the signature over the raw bytes, then stores the webhook durably. A job reads and processes it; the
 * answer waits for that only a moment.
 */
export function receiveHook(config: ApiConfig, parts: ReceiveDeps): Handler {
  const { connections, deliveries, hookQueues, watch, now, log, closing } = parts;
  const reader = new HookReader(config);
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);

  return async (request, response, { ip, note, requestId }) => {
    const { forge: forgeParameter, connection: name } = request.params;
    const from = forge(parameter(forgeName, 'forge', forgeParameter));
    const connection = await stored(connections.get(parameter(connectionName, 'connection', name)));
    if (!connection || connection.forge !== from.name) throw connectionNotFound(String(name));
    const body = await reader.read(request, from.mediaTypes, ip);
    const verdict = verify(from, request.headers, body, connection.secrets, now());
    if (!verdict.ok) {
      log.warn({ requestId, connection: connection.name, why: verdict.why }, 'webhook refused');
      throw new ApiProblem('unauthorized', 'the webhook is not signed with the secret of this connection', {
        errors: [{ field: 'signature', got: 'no matching signature', expected: 'one by the connection’s secret' }],
      });
    }
    note({ principal: connectionPrincipal(connection, 'trusted') });
    const forgeId = from.deliveryId(request.headers) ?? `sha256:${createHash('sha256').update(body).digest('hex')}`;
    const { team } = connection;
    const headers = kept(request.headers);
    const received = await stored(
      deliveries.receive({ connection: connection.name, forge: from.name, team, forgeId, ip, headers }, body),
    );
    let { delivery } = received;
    if (received.isRepeat && delivery.state === 'failed') delivery = await stored(deliveries.reopen(delivery));
    note({ target: delivery.id, details: { connection: connection.name, forgeId, repeat: String(received.isRepeat) } });
    response.setHeader('Location', `/v1/hooks/deliveries/${delivery.id}`);
    sendJson(response, 202, viewDelivery(await settled(delivery)));
  };

  /** The delivery when it has been processed, or after a moment. */
  async function settled(delivery: StoredDelivery): Promise<StoredDelivery> {
    if (delivery.state !== 'pending') return delivery;
    using listening = watch.listen(delivery.id, config.hookAnswerMs, closing);
    // The delivery is stored, so if this fails, the next sweep enqueues it.
    await stored(hookQueues.planDeliveryNow(delivery.id, delivery.round)).catch((error: unknown) =>
      log.warn({ err: error, delivery: delivery.id }, 'webhook not enqueued'),
    );
    await listening.settled;
    return (await stored(deliveries.get(delivery.id)).catch(() => undefined)) ?? delivery;
  }
}

/** Verifies a webhook with the secrets that are valid now, the current one first. The result is that of the first that fits, if any. */
function verify(
  from: Forge,
  headers: Headers,
  body: Buffer,
  { webhook, previousWebhook }: ConnectionSecrets,
  nowMs: number,
): Verification {
  const verdicts = validSecrets(webhook, previousWebhook, nowMs).map((secret) =>
    from.verify(headers, body, secret, nowMs),
  );
  return verdicts.find(({ ok }) => ok) ?? verdicts[0] ?? { ok: false, why: 'the connection has no secret' };
}

function kept(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    KEPT_HEADERS.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value.slice(0, 200)]] : [];
    }),
  );
}

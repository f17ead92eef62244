import type { Metrics } from '@kiln/metrics';
import { type JobTry, RetryLater, type StoredMessage } from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from '../ports.ts';
import { validSecrets } from '../valid-secrets.ts';
import { send } from './send.ts';
import { signMessage } from './sign-message.ts';

export interface MessageDeps extends Pick<HookDeps, 'webhooks'> {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

const GONE = 410;

/** Sends a message: one try. @throws RetryLater if there will be another try */
export async function sendMessage(id: string, { isLast, delayMs }: JobTry, parts: MessageDeps): Promise<void> {
  const { webhooks, fetch, timeoutMs, signal, now, log } = parts;
  const message = await webhooks.message(id);
  if (message?.state !== 'pending') return;
  const webhook = await webhooks.get(message.webhook);
  if (!webhook || webhook.disabledAt !== undefined) {
    await webhooks.saveMessage({
      ...message,
      state: 'dead',
      why: 'the webhook was removed, or its target has answered 410',
    });
    return;
  }
  const at = now();
  const headers = signMessage(id, message.body, validSecrets(webhook.secret, webhook.previous, at), at);
  const sent = await send(webhook.url, headers, message.body, { fetch, timeoutMs, signal, nowMs: at });
  if (!sent.ok && signal.aborted) throw new RetryLater('this process is stopping');
  const { retryAt: _, why: __, status: ___, ...rest } = message;
  const tried: StoredMessage = {
    ...{ ...rest, tries: message.tries + 1, triedAt: at },
    ...(sent.status !== undefined && { status: sent.status }),
  };
  if (sent.ok) {
    await webhooks.saveMessage({ ...tried, state: 'delivered' });
    parts.metrics?.count('kiln_webhook_messages_total', 1, { result: 'delivered' });
    return;
  }
  const isGone = sent.status === GONE;
  if (isGone) await webhooks.disable(webhook);
  const isDead = isLast || isGone;
  parts.metrics?.count('kiln_webhook_messages_total', 1, { result: isDead ? 'dead' : 'failed' });
  log.warn(
    { webhook: webhook.id, team: webhook.team, message: id, why: sent.why, isDead },
    'webhook message not delivered',
  );
  if (isDead) {
    await webhooks.saveMessage({ ...tried, state: 'dead', why: sent.why });
    return;
  }
  const retryAt = now() + Math.max(delayMs, sent.afterMs ?? 0);
  await webhooks.saveMessage({ ...tried, why: sent.why, retryAt });
  throw new RetryLater(sent.why, sent.afterMs);
}

import { randomUUID } from 'node:crypto';
import type { PoolEvent } from '@kiln/contracts';
import { ConnectionTokens } from '@kiln/forges';
import { NO_METRICS } from '@kiln/metrics';
import type { ApiConfig } from '../config.ts';
import type { GitHostCheck } from '../limits/git-host-check.ts';
import type { MeteredDeps } from '../ports.ts';
import { repeat } from '../upkeep/repeat.ts';
import { doubling, messageDelay } from './delays.ts';
import { KnownConfigs } from './incoming/commit-reader.ts';
import type { SubmitImageDeps } from './incoming/submit-image.ts';
import { workOnDelivery } from './incoming/work-on-delivery.ts';
import { notifyWebhooks } from './outgoing/notify-webhooks.ts';
import { sendMessage } from './outgoing/send-message.ts';
import { reportTarget } from './reports/report-status.ts';

/** How often to look for work that a dead process left behind. */
const SWEEP_EVERY_MS = 30_000;
/** A delivery that has been open for this long may have lost its job. */
const LEFT_BEHIND_MS = 60_000;
const SWEEP_LIMIT = 500;
const OUTGOING_CONCURRENCY = 16;
/** How long running jobs may take to end when the process stops. Other processes take over the rest. */
const DRAIN_MS = 5_000;

export interface HookRules {
  readonly rulesFor: SubmitImageDeps['rulesFor'];
  readonly checkGitHost: GitHostCheck;
}

/** Starts to process incoming webhooks, report statuses and send messages. `base`: this Kiln's URL, without a slash at its end. */
export function startHooks(
  config: ApiConfig,
  deps: MeteredDeps,
  { rulesFor, checkGitHost }: HookRules,
  base: string,
): AsyncDisposable {
  const { builds, blobs, trees, audit, now = Date.now, log, metrics = NO_METRICS } = deps;
  const { connections, deliveries, subjects, reports, webhooks, hookQueues, buildSecrets, modeDefaults } = deps;
  const stop = new AbortController();
  const { signal } = stop;
  const onError = (error: Error) => {
    if (!signal.aborted) log.warn({ err: error }, 'webhook job failed');
  };
  const delayMs = doubling(config.hookRetryMs, Math.random);
  const known = new KnownConfigs();
  const tokens = new ConnectionTokens({ fetch: deps.outgoing.fetch, timeoutMs: config.hookSendTimeoutMs, now });
  const planning = hookQueues.consume(
    'planDelivery',
    { concurrency: config.hookConcurrency, delayMs, onError },
    ({ deliveryId }, attempt) =>
      workOnDelivery(deliveryId, attempt, {
        ...{ connections, deliveries, subjects, reports, hookQueues, builds, blobs, trees, audit },
        ...{ buildSecrets, modeDefaults, rulesFor, checkGitHost },
        untrustedPush: config.untrustedPush,
        takesClientLogins: config.takesClientLogins,
        contextLimits: config,
        tokens,
        contextRetentionMs: config.contextRetentionMs,
        known,
        git: { timeoutMs: config.gitTimeoutMs, maxFetchBytes: config.maxGitBytes, guard: deps.outgoing },
        ...{ log, metrics, now, signal },
      }),
  );
  const common = { fetch: deps.outgoing.fetch, log, metrics, now, signal };
  const reporting = hookQueues.consume(
    'reportStatus',
    { concurrency: OUTGOING_CONCURRENCY, delayMs, onError },
    ({ target }, attempt) =>
      reportTarget(target, attempt, {
        ...common,
        connections,
        reports,
        builds,
        base,
        tokens,
        timeoutMs: config.hookSendTimeoutMs,
      }),
  );
  const sending = hookQueues.consume(
    'sendMessage',
    { concurrency: OUTGOING_CONCURRENCY, delayMs: messageDelay(config.hookRetryMs), onError },
    ({ messageId }, attempt) =>
      sendMessage(messageId, attempt, { ...common, webhooks, timeoutMs: config.hookSendTimeoutMs }),
  );
  const hear = async (event: PoolEvent) => {
    if (event.type !== 'build') return;
    const target = await reports.targetOf(event.id);
    if (target !== undefined) await hookQueues.reportStatus(target);
    await notifyWebhooks(event, { webhooks, hookQueues, builds, now });
  };
  const hearing = deps.consumeEvents({ group: 'hooks', consumer: randomUUID(), onError }, hear);
  const sweep = async () => {
    for (const { id, round } of await deliveries.open(now() - LEFT_BEHIND_MS, SWEEP_LIMIT)) {
      await hookQueues.planDelivery(id, round);
    }
    for (const target of await reports.openTargets()) await hookQueues.reportStatus(target);
  };
  const sweeping = repeat('webhooks', SWEEP_EVERY_MS, sweep, log);

  return {
    async [Symbol.asyncDispose]() {
      await sweeping[Symbol.asyncDispose]();
      await hearing[Symbol.asyncDispose]();
      const consumers = [planning, reporting, sending];
      const late = setTimeout(() => stop.abort(new Error('this process is stopping')), DRAIN_MS);
      const drained = Promise.all(consumers.map((one) => one.drain())).catch(onError);
      await Promise.race([drained, aborted(signal)]);
      clearTimeout(late);
      await Promise.all(consumers.map((one) => one[Symbol.asyncDispose]())).catch(onError);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

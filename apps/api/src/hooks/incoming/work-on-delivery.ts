import type { DeliveryFailure, ForgeEvent } from '@kiln/contracts';
import { BadPayload, forge, InvalidConfig, NoInstallationToken } from '@kiln/forges';
import { GitFailed } from '@kiln/git';
import { type Metrics, NO_METRICS, observeMs } from '@kiln/metrics';
import { type JobTry, RetryLater, type StoredDelivery } from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from '../ports.ts';
import { reportConfigFault } from './report-config-fault.ts';
import { type EventDeps, workOnEvent } from './work-on-event.ts';

export interface DeliveryDeps extends EventDeps, Pick<HookDeps, 'connections' | 'deliveries'> {
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** A failure. `isPassing`: a later try may succeed. */
interface Fault {
  readonly failure: DeliveryFailure;
  readonly isPassing: boolean;
  readonly afterMs?: number;
}

/**
 * Processes a delivery: one try. Saves the outcome of each event, so that the next try continues from there.
 * @throws RetryLater if there will be another try
 */
export async function workOnDelivery(id: string, attempt: JobTry, parts: DeliveryDeps): Promise<void> {
  const { deliveries, connections, now } = parts;
  const found = await deliveries.get(id);
  if (found?.state !== 'pending') return;
  const { retryAt: _, failure: __, ...rest } = found;
  let delivery: StoredDelivery = { ...rest, tries: found.tries + 1 };
  const keep = async (change: Partial<StoredDelivery>) => {
    delivery = { ...delivery, ...change };
    await deliveries.save(delivery);
    if (change.finishedAt !== undefined) countDelivery(parts.metrics ?? NO_METRICS, delivery, change.finishedAt);
  };
  try {
    const connection = await connections.get(delivery.connection);
    if (!connection) {
      const message = `the connection ${delivery.connection} no longer exists`;
      await keep({ state: 'failed', finishedAt: now(), failure: { code: 'connection_removed', message } });
      return;
    }
    const events = delivery.events ?? (await eventsOf(delivery, parts));
    if (!delivery.events) await keep({ events });
    const original = await originalOf(delivery, parts);
    // From an event that an earlier try has processed.
    let failure = found.failure?.code === 'config_invalid' ? found.failure : undefined;
    for (const [index, event] of events.entries()) {
      if (index < delivery.outcomes.length) continue;
      try {
        const outcome = await workOnEvent(
          event,
          { connection, delivery, index, original, signal: parts.signal },
          parts,
        );
        await keep({ outcomes: [...delivery.outcomes, outcome] });
      } catch (error) {
        if (!(error instanceof InvalidConfig)) throw error;
        // Other events of the delivery may be about commits with a valid configuration.
        failure = configFailure(error);
        const outcome = await reportConfigFault(event, failure, { connection, delivery }, parts);
        await keep({ outcomes: [...delivery.outcomes, outcome], failure });
      }
    }
    await keep({ state: failure ? 'failed' : 'done', finishedAt: now(), ...(failure && { failure }) });
  } catch (error) {
    if (parts.signal.aborted) throw error;
    await giveUpOrRetry(error, attempt, keep, parts);
  }
}

function countDelivery(metrics: Metrics, { forge: from, state, receivedAt }: StoredDelivery, finishedAt: number): void {
  metrics.count('kiln_webhook_deliveries_total', 1, { forge: from, result: state });
  observeMs(metrics, 'kiln_webhook_delivery_duration_seconds', finishedAt - receivedAt);
}

/** The delivery that this one repeats, unless that one failed and so built nothing. */
async function originalOf({ original }: StoredDelivery, { deliveries }: DeliveryDeps): Promise<string | undefined> {
  if (original === undefined) return undefined;
  return (await deliveries.get(original))?.state === 'failed' ? undefined : original;
}

async function eventsOf(delivery: StoredDelivery, { deliveries }: DeliveryDeps): Promise<readonly ForgeEvent[]> {
  const body = await deliveries.body(delivery.id);
  if (!body) throw new Error(`delivery ${delivery.id} has neither a body nor events`);
  const from = forge(delivery.forge);
  return from.events(delivery.headers, from.payload(delivery.headers, body));
}

async function giveUpOrRetry(
  error: unknown,
  { isLast, delayMs }: JobTry,
  keep: (change: Partial<StoredDelivery>) => Promise<void>,
  { log, now }: DeliveryDeps,
): Promise<void> {
  const { failure, isPassing } = faultOf(error);
  if (failure.code === 'internal') log.error({ err: error }, 'webhook processing failed');
  if (!isPassing || isLast) {
    await keep({ state: 'failed', finishedAt: now(), failure });
    return;
  }
  await keep({ retryAt: now() + delayMs, failure });
  throw new RetryLater(failure.message);
}

function faultOf(error: unknown): Fault {
  if (error instanceof BadPayload) {
    const where = error.errors.map(({ field, got, expected }) => `${field}: got ${got}, expected ${expected}`);
    const message = [error.message, ...where.slice(0, 3)].join('; ');
    return { failure: { code: 'payload_invalid', message }, isPassing: false };
  }
  if (error instanceof GitFailed) {
    const code = error.fault === 'ref_missing' ? 'commit_missing' : 'repository_unreachable';
    return { failure: { code, message: error.message }, isPassing: error.isPassing };
  }
  if (error instanceof NoInstallationToken) {
    return { failure: { code: 'repository_unreachable', message: error.message }, isPassing: error.isPassing };
  }
  return {
    failure: { code: 'internal', message: 'an internal error of Kiln; its log has the details' },
    isPassing: true,
  };
}

/** The failure as it is shown at the forge, where it is cut to some 140 characters. */
function configFailure({ problems }: InvalidConfig): DeliveryFailure {
  const [first, ...rest] = problems;
  const more = rest.length > 0 ? ` (and ${rest.length} more)` : '';
  const where = `line ${first.line}, column ${first.column}`;
  const message = `the configuration is not valid: ${where}: ${first.field}: got ${first.got}, expected ${first.expected}${more}`;
  return { code: 'config_invalid', message };
}

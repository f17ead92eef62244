import type { BuildChanged, WebhookEvent } from '@kiln/contracts';
import type { BuildStore } from '@kiln/state';
import { viewBuild } from '../../builds/build-view.ts';
import type { HookDeps } from '../ports.ts';

export interface NotifyDeps extends Pick<HookDeps, 'webhooks' | 'hookQueues'> {
  readonly builds: Pick<BuildStore, 'get'>;
  readonly now: () => number;
}

/** Enqueues a message about a build's change for each webhook of its team that subscribes to it. Idempotent. */
export async function notifyWebhooks(
  changed: BuildChanged,
  { webhooks, hookQueues, builds, now }: NotifyDeps,
): Promise<void> {
  const event = eventOf(changed);
  if (event === undefined || !(await webhooks.any())) return;
  const build = await builds.get(changed.id);
  if (!build) return;
  const own = await webhooks.list(build.record.team);
  const asking = own.filter(({ events, disabledAt }) => disabledAt === undefined && events.includes(event));
  const body = JSON.stringify({ type: event, timestamp: new Date(now()).toISOString(), data: viewBuild(build) });
  for (const webhook of asking) {
    // A build starts once with each attempt: a lost host sends it back to the queue.
    const turn = event === 'build.started' ? String(changed.attempt) : '';
    const message = await webhooks.add({ webhook: webhook.id, event, build: changed.id, body }, turn);
    if (message.state === 'pending') await hookQueues.sendMessage(message.id, message.round);
  }
}

function eventOf({ state, revision }: BuildChanged): WebhookEvent | undefined {
  switch (state) {
    case 'queued':
      return revision === 1 ? 'build.queued' : undefined;
    case 'assigned':
      return undefined;
    case 'running':
      return 'build.started';
    default:
      return `build.${state}`;
  }
}

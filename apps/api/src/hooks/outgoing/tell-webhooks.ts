import type { BuildChanged, WebhookEvent } from '@kiln/contracts';
import type { BuildStore } from '@kiln/state';
import { viewBuild } from '../../builds/build-view.ts';
import type { HookDeps } from '../ports.ts';

export interface TellParts extends Pick<HookDeps, 'webhooks' | 'hookQueues'> {
  readonly builds: Pick<BuildStore, 'get'>;
  readonly now: () => number;
}

/** Makes a message of what happened to a build for every webhook of its team that asks for it. Repeating it makes no second one. */
export async function tellWebhooks(
  changed: BuildChanged,
  { webhooks, hookQueues, builds, now }: TellParts,
): Promise<void> {
  const event = eventOf(changed);
  if (event === undefined || !(await webhooks.any())) return;
  const build = await builds.get(changed.id);
  if (!build) return;
  const own = await webhooks.list(build.record.team);
  const asking = own.filter(({ events, disabledAt }) => disabledAt === undefined && events.includes(event));
  const body = JSON.stringify({ type: event, timestamp: new Date(now()).toISOString(), data: viewBuild(build) });
  for (const webhook of asking) {
    // A lost host sends a build back: it starts once with each attempt, and ends once.
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

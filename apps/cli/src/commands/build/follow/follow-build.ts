import { hasEnded, type KilnClient, KilnProblem } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import type { ProgressModel } from '../../../progress/model.ts';
import type { ProgressView } from '../../../progress/view.ts';
import type { Interruption } from './interruption.ts';
import { QueueWatch } from './queue-watch.ts';

/** After a build has ended for certain, its log may take so long to end, too. */
const LOG_GRACE_MS = 5_000;

/** How long a cancel is tried while the API doesn't answer. */
const CANCEL_GIVE_UP_MS = 120_000;

export interface FollowInput {
  readonly client: KilnClient;
  readonly build: BuildView;
  readonly view: ProgressView;
  readonly model: ProgressModel;
  readonly interruption: Interruption;
}

/** Which build it is, for the person who follows it. */
export function introduction({ id, sharedRun }: BuildView): string {
  return sharedRun === undefined ? `build ${id}` : `build ${id}, which shares the run of build ${sharedRun}`;
}

/**
 * Shows a build until it has ended, and gives back how it did. At the first Ctrl-C cancels it, and waits until that is confirmed, or
 * until it goes on for others only.
 */
export async function followBuild({ client, build, view, model, interruption }: FollowInput): Promise<BuildView> {
  const { id } = build;
  using watch = new QueueWatch(client, id, (reason) => view.waiting(reason));
  const follow = new AbortController();
  let released: BuildView | undefined;
  const cancel = async () => {
    view.canceling();
    released = await cancelBuild(client, id, view);
    if (released) follow.abort();
    else endSoon(follow);
  };
  const interrupted = () => void cancel();
  interruption.signal.addEventListener('abort', interrupted, { once: true });
  if (interruption.requested) interrupted();
  if (build.state === 'queued') watch.start();
  try {
    const records = client.followLog(id, {
      signal: follow.signal,
      onReconnect: (error, delayMs) => {
        if (delayMs > 1_000) view.say(`${error instanceof Error ? error.message : String(error)}; trying again`);
      },
    });
    for await (const record of records) {
      watch.stop();
      model.apply(record);
      view.record(record);
      if (record.type === 'end' && record.state === 'queued') watch.start();
    }
  } catch (error) {
    if (!follow.signal.aborted) throw error;
  } finally {
    interruption.signal.removeEventListener('abort', interrupted);
  }
  return released ?? client.waitForEnd(id);
}

/** Asks for the cancel and waits until the build has ended, one way or the other; gives it back where it goes on for others. */
async function cancelBuild(client: KilnClient, id: string, view: ProgressView): Promise<BuildView | undefined> {
  try {
    const { build, confirmed } = await client.cancel(id, { giveUpAfterMs: CANCEL_GIVE_UP_MS });
    if (confirmed && !hasEnded(build)) return build;
    if (!confirmed && !hasEnded(build)) await client.waitForEnd(id);
  } catch (error) {
    if (error instanceof KilnProblem && error.problem.code === 'already_finished') return undefined;
    view.say(`can't cancel: ${error instanceof Error ? error.message : String(error)}`);
  }
  return undefined;
}

/** The log's last records are worth waiting for, but a stream that doesn't end mustn't hold up the exit. */
function endSoon(follow: AbortController): void {
  setTimeout(() => follow.abort(), LOG_GRACE_MS).unref();
}

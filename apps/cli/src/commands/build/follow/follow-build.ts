import { hasEnded, type KilnClient, KilnProblem } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { endOfStage } from '../../../io/stages.ts';
import type { ProgressModel } from '../../../progress/model.ts';
import type { ProgressView } from '../../../progress/view.ts';
import type { Interruption } from './interruption.ts';
import { QueueWatch } from './queue-watch.ts';
import { ReconnectNotice } from './reconnect-notice.ts';

/** How long to wait for the end of the log after the build itself has ended. */
const LOG_GRACE_MS = 5_000;

/** How long to retry a cancel while the API doesn't respond. */
const CANCEL_GIVE_UP_MS = 120_000;

export interface FollowBuildOptions {
  readonly client: KilnClient;
  readonly build: BuildView;
  readonly view: ProgressView;
  readonly model: ProgressModel;
  readonly interruption: Interruption;
}

/**
 * Shows a build's log until the build has ended, and returns the ended build. The first Ctrl-C cancels the build and waits until that
 * is confirmed, or until the build continues only for other builds that share its run.
 */
export async function followBuild({
  client,
  build,
  view,
  model,
  interruption,
}: FollowBuildOptions): Promise<BuildView> {
  const { id } = build;
  using watch = new QueueWatch(client, id, view);
  const notice = new ReconnectNotice((message) => view.say(message));
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
      onReconnect: (error, delayMs) => notice.lost(error, delayMs),
    });
    let hasBegun = false;
    for await (const record of records) {
      notice.heard();
      if (!hasBegun) watch.began();
      hasBegun = true;
      model.apply(record);
      view.record(record);
      if (record.type === 'end' && record.state === 'queued') {
        hasBegun = false;
        watch.start();
      }
    }
  } catch (error) {
    if (!follow.signal.aborted) throw error;
  } finally {
    interruption.signal.removeEventListener('abort', interrupted);
  }
  endOfStage('following');
  const ended = released ?? (await client.waitForEnd(id));
  endOfStage('end');
  return ended;
}

/** Cancels the build and waits until it has ended. Returns the build only if it continues for other builds that share its run. */
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

/** Gives the last log records some time to arrive, so that a stream that doesn't end can't delay the exit for long. */
function endSoon(follow: AbortController): void {
  setTimeout(() => follow.abort(), LOG_GRACE_MS).unref();
}

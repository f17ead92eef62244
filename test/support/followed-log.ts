import type { KilnClient } from '@kiln/client';
import type { IdentifiedLogRecord } from '@kiln/contracts';
import { until } from './until.ts';

const MORE_TIMEOUT_MS = 60_000;

/** A build's log as one client follows it, from the first record to the end of the build. */
export class FollowedLog {
  readonly records: IdentifiedLogRecord[] = [];
  /** Errors after which the client connected again. */
  readonly reconnects: unknown[] = [];
  /** Resolves when the log has ended. */
  readonly ended: Promise<void>;

  constructor(client: KilnClient, id: string) {
    this.ended = this.#follow(client, id);
    // A test that fails before it awaits the end is to fail for its own reason.
    this.ended.catch(() => {});
  }

  /** Waits until more than `count` records were received. Default: more than there are now. */
  async receivesMore(count = this.records.length): Promise<void> {
    await until('the follower receives more of the log', () => this.records.length > count, MORE_TIMEOUT_MS);
  }

  async #follow(client: KilnClient, id: string): Promise<void> {
    const onReconnect = (error: unknown) => void this.reconnects.push(error);
    for await (const record of client.followLog(id, { onReconnect })) this.records.push(record);
  }
}

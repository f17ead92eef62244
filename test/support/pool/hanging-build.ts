import type { KilnClient } from '@kiln/client';
import { outputOf } from '../logs.ts';
import { killProcessesWith, processesWith } from '../processes.ts';
import { until } from '../until.ts';

/** Starting a RUN takes a container's start on a busy machine, and after a lost host its lease. */
const HANG_TIMEOUT_MS = 60_000;

/** A build whose RUN sleeps until the test releases it: the state in which most faults are tried. */
export class HangingBuild {
  readonly id: string;
  /** By this argument the `sleep` process is recognised. */
  readonly seconds: string;
  readonly #client: KilnClient;

  constructor(client: KilnClient, id: string, seconds: string) {
    this.#client = client;
    this.id = id;
    this.seconds = seconds;
  }

  /** Waits until the RUN of this attempt sleeps and the log shows the attempt's output. */
  async hangs(attempt = 1): Promise<this> {
    await until(`the RUN of attempt ${attempt} sleeps`, () => isSleeping(this.seconds), HANG_TIMEOUT_MS);
    const hasOutput = async () => {
      const log = await Array.fromAsync(this.#client.followLog(this.id, { follow: false }));
      return /begun|line/.test(outputOf(log.filter((record) => record.id.startsWith(`${attempt}.`))));
    };
    await until(`the log shows output of attempt ${attempt}`, hasOutput, HANG_TIMEOUT_MS);
    return this;
  }

  /** Name of the host that runs the build. */
  async host(): Promise<string> {
    return (await this.#client.get(this.id)).host ?? '';
  }

  /** Waits until no RUN of the build sleeps any more. */
  async stopped(timeoutMs = HANG_TIMEOUT_MS): Promise<void> {
    await until(`no RUN of build ${this.id} sleeps`, async () => !(await isSleeping(this.seconds)), timeoutMs);
  }

  /** Lets the RUN continue. */
  async release(): Promise<void> {
    await killProcessesWith(this.seconds);
  }
}

/** Whether there is such a `sleep`, or a shell that is about to start it. */
async function isSleeping(seconds: string): Promise<boolean> {
  return (await processesWith(seconds)).length > 0;
}

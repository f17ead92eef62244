import { afterEach, beforeEach } from 'vitest';
import { FakeApi } from './fake-api.ts';
import { type FakeIo, type FakeIoOptions, fakeIo } from './fake-io.ts';
import { type RunResult, runIn } from './run.ts';

export interface FakeApiCli {
  /** The API of the current test. */
  readonly api: FakeApi;
  /** A process whose environment names the API. Without colours. */
  readonly io: (options?: FakeIoOptions) => FakeIo;
  readonly run: (line: string | readonly string[], options?: FakeIoOptions) => Promise<RunResult>;
}

/** Gives each test of the file a fake API of its own. `now` is the time by the CLI's clock. */
export function withFakeApi({ now = Date.now }: { now?: () => number } = {}): FakeApiCli {
  let api: FakeApi;
  beforeEach(async () => {
    api = await FakeApi.start();
  });
  afterEach(() => api[Symbol.asyncDispose]());
  const io = (options: FakeIoOptions = {}) => ({
    ...fakeIo({ ...options, env: { KILN_URL: api.url, KILN_TOKEN: api.token, NO_COLOR: '1', ...options.env } }),
    now,
  });
  return {
    get api() {
      return api;
    },
    io,
    run: (line, options) => runIn(io(options), line),
  };
}

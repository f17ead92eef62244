import { type ClientHttp2Session, connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import {
  activeRequest,
  type BuildHistory,
  buildHistory,
  EMPTY_REQUEST,
  type GcPolicy,
  gcPolicies,
  historyRequest,
  pruneRequest,
  statusRequest,
  trimRequest,
  type UsageRecord,
  usageRecord,
  usageRecords,
} from './control-messages.ts';
import { grpcStream } from './grpc-call.ts';
import type { SolveStatus } from './solve-status.ts';
import { statusMessage } from './status-message.ts';

const SERVICE = '/moby.buildkit.v1.Control';
const CALL_TIMEOUT_MS = 10_000;
/** A record that was changed since it was last measured is measured anew, which takes as long as `du` does. */
const USAGE_TIMEOUT_MS = 30_000;
/** Many gigabytes may have to be deleted. */
const PRUNE_TIMEOUT_MS = 600_000;

/** The few calls of BuildKit's `Control` service that Kiln makes by itself. Each throws a BuildkitError where it fails. */
export class BuildkitControl implements AsyncDisposable {
  readonly #session: ClientHttp2Session;
  readonly #socket: Duplex;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    this.#session = connect('http://buildkit', { createConnection: () => socket });
    // Each call fails by itself; without a listener the error would end the process.
    this.#session.on('error', () => undefined);
  }

  static async open(connection: ConnectBuildkit): Promise<BuildkitControl> {
    return new BuildkitControl(await connection());
  }

  /** Whether BuildKit still works on the build with the given ref. */
  async isActive(ref: string): Promise<boolean> {
    // One event for each build that fits.
    return (await this.#call('ListenBuildHistory', activeRequest(ref))).length > 0;
  }

  /** How the build with the given ref ended; undefined where BuildKit doesn't know it, or not its end. */
  async history(ref: string): Promise<BuildHistory | undefined> {
    return (await this.#call('ListenBuildHistory', historyRequest(ref)))
      .map(buildHistory)
      .find((build) => build.completed);
  }

  /** All statuses of the build with the given ref, from its beginning to its end, as fast as they are taken. */
  async *status(ref: string): AsyncGenerator<SolveStatus> {
    for await (const message of this.#stream('Status', statusRequest(ref), CALL_TIMEOUT_MS))
      yield statusMessage(message);
  }

  async diskUsage(timeoutMs = USAGE_TIMEOUT_MS): Promise<UsageRecord[]> {
    return (await this.#call('DiskUsage', EMPTY_REQUEST, timeoutMs)).flatMap(usageRecords);
  }

  /** Removes the records with these ids, but for those in use; answers which went. */
  async prune(ids: readonly string[]): Promise<UsageRecord[]> {
    if (ids.length === 0) return [];
    const filters = ids.map((id) => `id==${id}`);
    return (await this.#call('Prune', pruneRequest(filters), USAGE_TIMEOUT_MS)).map(usageRecord);
  }

  /** Removes records in BuildKit’s own order, by last use and how often they were used, until all together take at most `toBytes`. */
  async trim(toBytes: number): Promise<UsageRecord[]> {
    return (await this.#call('Prune', trimRequest(Math.floor(toBytes)), PRUNE_TIMEOUT_MS)).map(usageRecord);
  }

  /** Of all of BuildKit's workers; there is one. */
  async gcPolicies(): Promise<GcPolicy[]> {
    return (await this.#call('ListWorkers', EMPTY_REQUEST)).flatMap(gcPolicies);
  }

  #call(method: string, request: Uint8Array, timeoutMs = CALL_TIMEOUT_MS): Promise<Buffer[]> {
    return Array.fromAsync(this.#stream(method, request, timeoutMs));
  }

  #stream(method: string, request: Uint8Array, timeoutMs: number): AsyncGenerator<Buffer> {
    return grpcStream(this.#session, `${SERVICE}/${method}`, request, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Node reads what has come in by now at the next tick, and throws where the session is gone by then.
    await immediate();
    this.#session.destroy();
    this.#socket.destroy();
  }
}

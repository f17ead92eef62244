import { type ClientHttp2Session, connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import {
  activeRequest,
  type BuildHistory,
  buildHistory,
  type GcPolicy,
  gcPolicies,
  historyRequest,
  pruneRequest,
  trimRequest,
  type UsageRecord,
  usageRecord,
} from './control-messages.ts';
import { Content } from './generated/containerd/services/content/v1/content_pb.ts';
import { Control } from './generated/moby/buildkit/v1/control_pb.ts';
import { AUTHORITY, grpcCall } from './grpc-call.ts';
import type { SolveStatus } from './solve-status.ts';
import { statusMessage } from './status-message.ts';

type Call<T> = Parameters<typeof grpcCall<typeof Control, T>>[3];

const CALL_TIMEOUT_MS = 10_000;
/** BuildKit measures records that have changed, which takes as long as `du` does. */
const USAGE_TIMEOUT_MS = 30_000;
/** Deleting many gigabytes takes time. */
const PRUNE_TIMEOUT_MS = 600_000;

/** The calls of BuildKit's `Control` service, and of the content service beside it, that Kiln makes itself. All of them throw BuildkitError. */
export class BuildkitControl implements AsyncDisposable {
  readonly #session: ClientHttp2Session;
  readonly #socket: Duplex;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    this.#session = connect(AUTHORITY, { createConnection: () => socket });
    // The calls fail on their own; an 'error' event without a listener would end the process.
    this.#session.on('error', () => undefined);
  }

  static async open(connection: ConnectBuildkit): Promise<BuildkitControl> {
    return new BuildkitControl(await connection());
  }

  /** Whether BuildKit is still working on the build with this ref. */
  async isActive(ref: string): Promise<boolean> {
    // Yields one event for each matching build.
    return (await this.#all('ListenBuildHistory', (c, o) => c.listenBuildHistory(activeRequest(ref), o))).length > 0;
  }

  /** Returns how the build with this ref ended; undefined if it is unknown to BuildKit or hasn't ended. */
  async history(ref: string): Promise<BuildHistory | undefined> {
    return (await this.#all('ListenBuildHistory', (c, o) => c.listenBuildHistory(historyRequest(ref), o)))
      .map(buildHistory)
      .find((build) => build.completed);
  }

  /** Yields all statuses of the build with this ref, from its beginning to its end, at the consumer's pace. */
  async *status(ref: string): AsyncGenerator<SolveStatus> {
    for await (const message of this.#call('Status', (c, o) => c.status({ ref }, o))) yield statusMessage(message);
  }

  /** Returns all records of BuildKit's disk usage. */
  async diskUsage(timeoutMs = USAGE_TIMEOUT_MS): Promise<UsageRecord[]> {
    return (await this.#all('DiskUsage', (c, o) => c.diskUsage({}, o), timeoutMs)).flatMap(({ record }) =>
      record.map(usageRecord),
    );
  }

  /** Removes the records with these ids that aren't in use; returns the removed ones. */
  async prune(ids: readonly string[]): Promise<UsageRecord[]> {
    if (ids.length === 0) return [];
    return (await this.#all('Prune', (c, o) => c.prune(pruneRequest(ids), o), USAGE_TIMEOUT_MS)).map(usageRecord);
  }

  /**
   * Removes records that aren't in use, in the order of BuildKit's garbage collection (by last use and number of uses), until all records
   * take at most `toBytes`; returns the removed ones.
   */
  async trim(toBytes: number): Promise<UsageRecord[]> {
    return (await this.#all('Prune', (c, o) => c.prune(trimRequest(Math.floor(toBytes)), o), PRUNE_TIMEOUT_MS)).map(
      usageRecord,
    );
  }

  /** Returns the garbage collection policies of all of BuildKit's workers (there is only one). */
  async gcPolicies(): Promise<GcPolicy[]> {
    return (await this.#all('ListWorkers', (c, o) => c.listWorkers({}, o))).flatMap(gcPolicies);
  }

  /** Reads a manifest, configuration or other small content of the images in BuildKit's store. */
  async content(digest: string, timeoutMs = CALL_TIMEOUT_MS): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    const call = { method: 'Read', silenceMs: timeoutMs };
    for await (const { data } of grpcCall(Content, this.#session, call, (c, o) => c.read({ digest }, o))) {
      parts.push(data);
    }
    return Buffer.concat(parts);
  }

  #all<T>(method: string, call: Call<T>, timeoutMs?: number): Promise<T[]> {
    return Array.fromAsync(this.#call(method, call, timeoutMs));
  }

  #call<T>(method: string, call: Call<T>, silenceMs = CALL_TIMEOUT_MS): AsyncGenerator<T> {
    return grpcCall(Control, this.#session, { method, silenceMs }, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // At the next tick Node reads data that has already arrived, and throws if the session is destroyed by then.
    await immediate();
    this.#session.destroy();
    this.#socket.destroy();
  }
}

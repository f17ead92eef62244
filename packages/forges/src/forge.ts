import type { ForgeEvent, ForgeName } from '@kiln/contracts';
import type { ForgeConnection, StatusReport, StatusRequest } from './status/report.ts';
import type { Verification } from './webhook/authentic.ts';
import type { Headers } from './webhook/headers.ts';

/** What Kiln needs of a git provider. Pure: bytes and values in, values out. */
export interface Forge {
  readonly name: ForgeName;
  /** Types of bodies that it sends. */
  readonly mediaTypes: readonly string[];
  /** Whether whoever sent the request knows `secret`. Looks at the raw bytes only; call it before anything else. */
  verify(headers: Headers, rawBody: Uint8Array, secret: string, nowMs: number): Verification;
  /** The id by which the forge names this delivery in all its repeats. */
  deliveryId(headers: Headers): string | undefined;
  /** The body as JSON. @throws BadPayload */
  payload(headers: Headers, rawBody: Uint8Array): unknown;
  /** What happened; one or more, since one push to Bitbucket can move several refs. @throws BadPayload */
  events(headers: Headers, json: unknown): readonly [ForgeEvent, ...ForgeEvent[]];
  /** Headers that would announce this payload, for one that was saved without them: as an event of this name, else as it looks. */
  headersFor(json: unknown, eventName?: string): Headers;
  /** The request that reports a status. */
  status(report: StatusReport, connection: ForgeConnection): StatusRequest;
  /** Whether a refusal only says that the forge has this status already. */
  alreadyReported(status: number, body: string): boolean;
}

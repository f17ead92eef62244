import type { ForgeEvent, ForgeName } from '@kiln/contracts';
import type { ForgeConnection, StatusReport, StatusRequest } from './status/report.ts';
import type { Verification } from './webhook/authentic.ts';
import type { Headers } from './webhook/headers.ts';

/** A git provider. Implementations are pure: bytes and values in, values out. */
export interface Forge {
  readonly name: ForgeName;
  /** The media types of the bodies that it sends. */
  readonly mediaTypes: readonly string[];
  /** Checks that the sender knows `secret`, by the raw bytes alone. Call it before anything else. */
  verify(headers: Headers, rawBody: Uint8Array, secret: string, nowMs: number): Verification;
  /** The forge's id of this delivery, the same in all its repeats. */
  deliveryId(headers: Headers): string | undefined;
  /** The body as JSON. @throws BadPayload */
  payload(headers: Headers, rawBody: Uint8Array): unknown;
  /** What happened. One push to Bitbucket can move several refs, and so be several events. @throws BadPayload */
  events(headers: Headers, json: unknown): readonly [ForgeEvent, ...ForgeEvent[]];
  /** The headers that announce a payload that was saved without them. Without `eventName`, guesses the event by the payload's fields. */
  headersFor(json: unknown, eventName?: string): Headers;
  /** The request that reports a status. */
  status(report: StatusReport, connection: ForgeConnection): StatusRequest;
  /** Whether a refusal means that the forge already has this status. */
  alreadyReported(status: number, body: string): boolean;
}

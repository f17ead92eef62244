import { createHash } from 'node:crypto';

/** A span of a trace. Times in ms since the epoch. */
export interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parent?: string | undefined;
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Why what it stands for failed. */
  readonly error?: string | undefined;
}

const SPAN_DIGITS = 16;

/**
 * Returns the id of a span from what it stands for. So processes that know different parts of a build agree on the spans between them, and a
 * span that is exported again is the same one.
 */
export function spanId(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, SPAN_DIGITS);
}

type Value = { stringValue: string } | { intValue: string } | { doubleValue: number } | { boolValue: boolean };

const NANOS_PER_MS = 1_000_000n;
const NANOS_PER_MICRO = 1_000n;
const MICROS_PER_MS = 1_000;
const INTERNAL = 1;
const STATUS_ERROR = 2;

/** Encodes spans as the JSON of OTLP/HTTP. @param resource attributes of the process */
export function otlpJson(
  spans: readonly Span[],
  resource: Span['attributes'],
  scope: { name: string; version: string },
): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope, spans: spans.map(encoded) }],
      },
    ],
  });
}

function encoded({ traceId, id, parent, name, startedAt, endedAt, attributes, error }: Span): object {
  return {
    traceId,
    spanId: id,
    ...(parent !== undefined && { parentSpanId: parent }),
    name,
    kind: INTERNAL,
    startTimeUnixNano: nanos(startedAt),
    endTimeUnixNano: nanos(Math.max(startedAt, endedAt)),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

function nanos(ms: number): string {
  const whole = Math.trunc(ms);
  const micros = Math.round((ms - whole) * MICROS_PER_MS);
  return String(BigInt(whole) * NANOS_PER_MS + BigInt(micros) * NANOS_PER_MICRO);
}

function attributesOf(attributes: Span['attributes']): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: typed(value) }],
  );
}

function typed(value: string | number | boolean): Value {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** What a build remembers of the trace that it is part of. */
export interface BuildTrace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** The caller's span: 16 hexadecimal digits. Absent: the build begins the trace. */
  readonly parent?: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/**
 * Parses a `traceparent` header (W3C Trace Context). Undefined if it isn't valid; it then counts as absent, as the specification says. `sampled`: whether
 * the caller records the trace.
 */
export function parseTraceparent(
  header: string,
): { readonly trace: BuildTrace; readonly sampled: boolean } | undefined {
  const [, version, id = '', parent = '', flags = '', more] = TRACEPARENT.exec(header.trim()) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(id) || /^0+$/.test(parent)) return undefined;
  return { trace: { id, parent }, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TRACE_DIGITS = 32;

/** Returns the id of the trace that a build begins: the 128 bits of the build's id in hexadecimal, so each can be computed from the other. */
export function traceIdOf(buildId: string): string {
  let bits = 0n;
  for (const digit of buildId) bits = bits * 32n + BigInt(Math.max(0, DIGITS.indexOf(digit)));
  return BigInt.asUintN(128, bits).toString(16).padStart(TRACE_DIGITS, '0');
}

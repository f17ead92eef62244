/** Position in a build's log: attempt, and number of the record in it, both from 1. */
export interface LogPosition {
  readonly attempt: number;
  readonly seq: number;
}

/** Formats a position: `2.15` for record 15 of attempt 2. */
export function formatLogId({ attempt, seq }: LogPosition): string {
  return `${attempt}.${seq}`;
}

/** Parses a position; undefined if the text isn't one. Seq 0 is before the first record. */
export function parseLogId(id: string): LogPosition | undefined {
  const match = /^([1-9]\d{0,8})\.(\d{1,15})$/.exec(id);
  return match ? { attempt: Number(match[1]), seq: Number(match[2]) } : undefined;
}

import type { z } from 'zod';

/** Describes the first fault of a line, as this project's errors do. */
export interface LineIssue {
  readonly field: string;
  readonly got: string;
  readonly expected: string;
}

/** `value`: the parsed line. */
export function lineIssue(value: unknown, { issues: [issue] }: z.ZodError): LineIssue {
  const path = issue?.path ?? [];
  const words = issue?.message ?? 'another line';
  const expected = words
    .replace(/^Invalid (?:input|option): |^Invalid discriminator value\. /, '')
    .replace(/, received .*$/, '');
  return {
    field: path.join('.') || 'line',
    got: shown(path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key], value)),
    expected: expected.replace(/^[Ee]xpected /, ''),
  };
}

export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

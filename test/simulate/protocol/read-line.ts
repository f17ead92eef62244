import { z } from 'zod';
import { type LineIssue, lineIssue, shown } from '../line-issue.ts';
import type { PolicyEvent } from './events.ts';

/** An invalid line. The message names the field, what it got and what was expected. */
export class ProtocolError extends Error {
  readonly code = 'bad_line';
  constructor({ field, got, expected }: LineIssue) {
    super(`${field}: got ${got}, expected ${expected}`);
  }
}

const t = z.number();
const id = z.string().min(1);
const slots = z.int().min(1);
const disk = z.number().min(0);
const dep = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) => value ?? undefined);
const host = { host: id, slots, disk };

/** Unknown fields are ignored, because a later version may send more. */
const line = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('init'),
    t: t.default(0),
    hosts: z.array(z.object(host)),
    classes: z.array(z.object({ prio: z.number(), name: z.string() })).default([]),
    seed: z.number().default(1),
    dep_known: z.boolean().default(true),
  }),
  z.object({ type: z.literal('host_up'), t, ...host }),
  z.object({ type: z.literal('host_drain'), t, host: id }),
  z.object({ type: z.literal('host_down'), t, host: id }),
  z.object({
    type: z.literal('build_queued'),
    t,
    build: id,
    repo: id,
    prio: z.number().default(0),
    dep,
    submitted: z.number(),
    attempt: z.int().min(0).default(1),
    weight: z.int().min(1).optional(),
    team: z.string().optional(),
  }),
  z.object({ type: z.literal('build_started'), t, build: id, host: id, cache: z.enum(['warm', 'stale', 'cold']) }),
  z.object({
    type: z.literal('build_finished'),
    t,
    build: id,
    host: id,
    run_s: z.number().min(0),
    size: z.number().min(0),
    evicted: z.array(id).default([]),
    dep,
  }),
  z.object({ type: z.literal('wake'), t }),
  z.object({ type: z.literal('end'), t }),
  z.object({ type: z.literal('decide'), t }),
]);

export type PolicyMessage = PolicyEvent | { readonly type: 'decide'; readonly t: number };

/** @throws ProtocolError */
export function readLine(text: string): PolicyMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError({ field: 'line', got: shown(text), expected: 'a JSON object' });
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) throw new ProtocolError(lineIssue(value, parsed.error));
  return parsed.data;
}

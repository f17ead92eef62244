import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { SaveOptions } from '../store/catalog.ts';

const ifMatchSchema = z.string().regex(/^"?\d+"?$/, 'If-Match must hold a revision').optional();
const actorSchema = z.string().trim().min(1).max(100).default('anonymous');

export const keyParamsSchema = z.object({ key: z.string() });

/** Who makes the change. Taken on trust: put the service behind a proxy that signs people in and sets the header. */
export function actorOf(request: FastifyRequest): string {
  return actorSchema.parse(request.headers['x-actor']);
}

/** `If-Match` names the revision the draft was made from; without it the record must be new. */
export function saveOptionsOf(request: FastifyRequest): SaveOptions {
  const ifMatch = ifMatchSchema.parse(request.headers['if-match']);
  return { actor: actorOf(request), expectedRevision: Number(ifMatch?.replaceAll('"', '') ?? 0) };
}

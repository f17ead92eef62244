import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { Services } from '../app.ts';

const querySchema = z.object({
  before: z.coerce.number().int().positive().default(Number.MAX_SAFE_INTEGER),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export function auditRoutes({ catalog }: Services): FastifyPluginAsync {
  return async (app) => {
    app.get('/audit', async (request) => {
      const { before, limit } = querySchema.parse(request.query);
      return catalog.changesBefore(before, limit);
    });
  };
}

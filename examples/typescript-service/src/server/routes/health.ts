import type { FastifyPluginAsync } from 'fastify';

export const healthRoutes: FastifyPluginAsync = async (app) => {
  app.get('/healthz', { config: { rateLimit: false }, logLevel: 'silent' }, async () => ({ status: 'ok' }));
};

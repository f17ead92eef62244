import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { handleError } from './error-handler.ts';
import { auditRoutes } from './routes/audit.ts';
import { changeRoutes } from './routes/changes.ts';
import { evaluationRoutes } from './routes/evaluations.ts';
import { flagRoutes } from './routes/flags.ts';
import { healthRoutes } from './routes/health.ts';
import { segmentRoutes } from './routes/segments.ts';
import type { Catalog } from './store/catalog.ts';
import type { UsageCounter } from './store/usage-counter.ts';

export interface Services {
  readonly catalog: Catalog;
  readonly usage: UsageCounter;
}

export interface AppOptions {
  readonly logger: FastifyBaseLogger;
  readonly requestsPerMinute: number;
  /** Folder of the built front end; without it only the API is served. */
  readonly webDirectory?: string;
}

export async function buildApp(services: Services, options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({ loggerInstance: options.logger, forceCloseConnections: true });
  app.setErrorHandler(handleError);
  // Whether there is TLS is the proxy's business: told to upgrade, browsers would lose the assets on plain HTTP.
  await app.register(helmet, { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } });
  await app.register(rateLimit, { max: options.requestsPerMinute, timeWindow: '1 minute' });
  await app.register(healthRoutes);
  await app.register(
    async (api) => {
      await api.register(flagRoutes(services));
      await api.register(segmentRoutes(services));
      await api.register(evaluationRoutes(services));
      await api.register(auditRoutes(services));
      await api.register(changeRoutes(services));
    },
    { prefix: '/api' },
  );
  if (options.webDirectory !== undefined) {
    await app.register(fastifyStatic, { root: options.webDirectory });
  }
  return app;
}

import { z } from 'zod';

const environmentSchema = z.object({
  HOST: z.string().default('0.0.0.0'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  DATA_DIR: z.string().min(1).default('data'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  REQUESTS_PER_MINUTE: z.coerce.number().int().positive().default(6_000),
});

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDirectory: string;
  readonly logLevel: string;
  readonly requestsPerMinute: number;
}

/** @throws z.ZodError naming every variable that doesn't fit. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const parsed = environmentSchema.parse(environment);
  return {
    host: parsed.HOST,
    port: parsed.PORT,
    dataDirectory: parsed.DATA_DIR,
    logLevel: parsed.LOG_LEVEL,
    requestsPerMinute: parsed.REQUESTS_PER_MINUTE,
  };
}

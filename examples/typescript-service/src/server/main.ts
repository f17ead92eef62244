import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { buildApp } from './app.ts';
import { readConfig } from './config.ts';
import { Catalog } from './store/catalog.ts';
import { Journal } from './store/journal.ts';
import { UsageCounter } from './store/usage-counter.ts';

const config = readConfig(process.env);
const logger = pino({ level: config.logLevel });
const now = () => new Date();

const { journal, changes } = await Journal.open(join(config.dataDirectory, 'journal.jsonl'));
logger.info({ changes: changes.length }, 'journal replayed');

const webDirectory = fileURLToPath(new URL('../web', import.meta.url));
const app = await buildApp(
  { catalog: new Catalog(journal, changes, now), usage: new UsageCounter(now) },
  {
    logger,
    requestsPerMinute: config.requestsPerMinute,
    // Absent when the sources are run directly; webpack's output exists only beside the compiled server.
    ...(existsSync(join(webDirectory, 'index.html')) ? { webDirectory } : {}),
  },
);

async function stop(signal: NodeJS.Signals): Promise<void> {
  logger.info({ signal }, 'stopping');
  await app.close();
  await journal.close();
}

process.once('SIGINT', stop);
process.once('SIGTERM', stop);

await app.listen({ host: config.host, port: config.port });

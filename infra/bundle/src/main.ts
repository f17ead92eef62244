import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { APPS, type App } from './apps.ts';
import { bundleApp } from './bundle-app.ts';

// node infra/bundle/src/main.ts [--out DIR] [APP...]   Bundles all programs, or those named, each into DIR/APP. Default: dist/APP
const DIST = fileURLToPath(new URL('../../../dist', import.meta.url));

try {
  const { values, positionals } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true });
  const apps = positionals.length > 0 ? positionals.map(readApp) : APPS;
  for (const app of apps) await bundleApp(app, join(values.out ?? DIST, app));
} catch (error) {
  process.stderr.write(`bundle: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function readApp(text: string): App {
  const app = APPS.find((one) => one === text);
  if (app === undefined) throw new Error(`got the program ${JSON.stringify(text)}, expected ${APPS.join(', ')}`);
  return app;
}

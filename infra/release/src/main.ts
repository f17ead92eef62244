import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { REAL_PARTS } from './parts.ts';
import { release } from './release.ts';

// npm run release -- X.Y.Z [--out DIR] [--dry-run]   Makes a release of this checkout (docs/develop/release.md). Default: dist/release
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

try {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [version, ...others] = positionals;
  if (version === undefined || others.length > 0) {
    throw new Error(
      `got ${positionals.length} arguments, expected the version: npm run release -- X.Y.Z [--out DIR] [--dry-run]`,
    );
  }
  const out = resolve(ROOT, values.out ?? 'dist/release');
  const made = await release({ root: ROOT, version, out, isDryRun: values['dry-run'] }, REAL_PARTS);
  if (made) {
    process.stdout.write(`${made.dir}\n`);
    REAL_PARTS.say(`tagged ${made.tag}; nothing was pushed: git push --follow-tags, and docs/develop/release.md`);
  }
} catch (error) {
  process.stderr.write(`release: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/**
 * Copies the compiled server from the compiler's cache to dist/.
 *
 * tsc never removes an output whose source was deleted, so the cache may hold files that no longer belong to
 * the program. The walk therefore goes over the sources and takes the output of each.
 */
import { cp, glob, mkdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const sourceRoot = 'src';
const compiledRoot = '.cache/server';
const targetRoot = 'dist';

await Promise.all(['server', 'shared'].map((part) => rm(join(targetRoot, part), { recursive: true, force: true })));

let copied = 0;
for await (const source of glob(`${sourceRoot}/{server,shared}/**/*.ts`, { exclude: ['**/test/**'] })) {
  const output = relative(sourceRoot, source).replace(/\.ts$/, '.js');
  const target = join(targetRoot, output);
  await mkdir(dirname(target), { recursive: true });
  await cp(join(compiledRoot, output), target);
  copied += 1;
}
process.stdout.write(`collected ${copied} server files\n`);

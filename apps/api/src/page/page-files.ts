import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the page in the encodings that its build made. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
  readonly br?: Buffer;
  readonly gzip?: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.png': 'image/png',
};

/** Where the built page is: beside a bundled program, or in the sources after `infra/setup`. */
export function builtPageDir(): string {
  const beside = fileURLToPath(new URL('../page/', import.meta.url));
  return existsSync(join(beside, 'index.html'))
    ? beside
    : fileURLToPath(new URL('../../../web/dist/', import.meta.url));
}

/** Reads the files of a built page by their path, such as `assets/x.js`; undefined if there is no page in `dir`. */
export function readPage(dir: string): ReadonlyMap<string, PageFile> | undefined {
  if (!existsSync(join(dir, 'index.html'))) return undefined;
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const all = new Set(names);
  const read = (name: string) => readFileSync(join(dir, name));
  return new Map(
    names.flatMap((name) => {
      const type = TYPES[extname(name)];
      if (type === undefined) return [];
      const [br, gzip] = [`${name}.br`, `${name}.gz`].map((one) => (all.has(one) ? read(one) : undefined));
      return [[name, { type, body: read(name), ...(br && { br }), ...(gzip && { gzip }) }] as const];
    }),
  );
}

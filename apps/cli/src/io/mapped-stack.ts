import { readFile } from 'node:fs/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A place in a module, as V8 writes it: URL, line and column, from 1. */
const PLACE = /(file:\/\/[^\s():]+\.js):(\d+):(\d+)/g;

/**
 * Returns a stack with the places in the sources for those in the bundle. Only now are the maps read: Node would read them all as it loads
 * the modules. A place without a map, as in a process that runs from the sources, stays as it is.
 */
export async function mappedStack(stack: string): Promise<string> {
  const urls = new Set([...stack.matchAll(PLACE)].map(([, url = '']) => url));
  const maps = new Map(await Promise.all([...urls].map(async (url) => [url, await mapOf(url)] as const)));
  return stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    const origin = maps.get(url)?.findOrigin(Number(line), Number(column));
    return origin && 'fileName' in origin ? `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}` : place;
  });
}

async function mapOf(url: string): Promise<SourceMap | undefined> {
  try {
    return new SourceMap(JSON.parse(await readFile(`${fileURLToPath(url)}.map`, 'utf8')));
  } catch {
    // The stack is worth more than the reason why one of its places can't be mapped.
    return undefined;
  }
}

import { once } from 'node:events';
import type { Readable } from 'node:stream';

/** How long an attempt waits for an API or a blob store that doesn't answer, ms: another host couldn't reach it either. */
export const AWAY_MS = 120_000;
export const AWAY_RETRY_MS = 250;

/** Resolves when there is something to read, or the end. @throws the stream's error */
export async function hasBegun(content: Readable): Promise<void> {
  if (content.readableLength === 0 && !content.readableEnded && !content.destroyed) await once(content, 'readable');
}

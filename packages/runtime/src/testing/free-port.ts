import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Linux gives connections, and listeners at port 0, ports from 32768 on. */
const FIRST = 10_240;
const END = 32_768;

const given = new Set<number>();

/**
 * Chooses a port for a program that can't choose one itself, or that listens at the same one again later.
 *
 * A port that the kernel chooses (by listening at port 0 and closing again) may go to any connection of the machine before the
 * program listens, so this one is from below the kernel's range.
 *
 * @param address at which the port must be free
 */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (given.has(port) || !(await isFree(port, address))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number, address: string): Promise<boolean> {
  const server = createServer().listen(port, address);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

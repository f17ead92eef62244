import type { Io } from './output.ts';

/**
 * Reads keys from a terminal without echo, and calls `pressed` at one of `keys`. Does nothing if standard input is no terminal. Disposing of it
 * restores the terminal.
 */
export function untilKey(stdin: Io['stdin'], keys: readonly string[], pressed: () => void): Disposable {
  if (!stdin.isTTY || !stdin.setRawMode) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  const reading = stdin[Symbol.asyncIterator]();
  let closed = false;
  const read = async () => {
    const decoder = new TextDecoder();
    while (!closed) {
      const { value, done } = await reading.next();
      if (done) return;
      if ([...decoder.decode(value, { stream: true })].some((key) => keys.includes(key))) pressed();
    }
  };
  void read().catch(() => {});
  return {
    [Symbol.dispose]: () => {
      closed = true;
      stdin.setRawMode?.(false);
      // A pending read would keep the process alive.
      stdin.unref?.();
    },
  };
}

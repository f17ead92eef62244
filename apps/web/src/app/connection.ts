import { useSyncExternalStore } from 'react';

const lost = new Set<string>();
const listeners = new Set<() => void>();

/** Notes whether a live connection of the page is open. */
export function noteConnection(name: string, isOpen: boolean): void {
  const before = lost.size;
  if (isOpen) lost.delete(name);
  else lost.add(name);
  if ((before === 0) !== (lost.size === 0)) for (const listener of listeners) listener();
}

/** Forgets a connection that the page no longer needs. */
export function dropConnection(name: string): void {
  noteConnection(name, true);
}

/** Whether some live connection was lost and is being opened again. */
export function useIsDisconnected(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => lost.size > 0,
  );
}

import type { IdentifiedLogRecord } from '@kiln/contracts';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { followEvents } from '../../api/event-stream.ts';
import { dropConnection, noteConnection } from '../../app/connection.ts';
import { LogBook } from './log-book.ts';

const CONNECTION = 'log';

/** A log that is being read. */
export class LogReading {
  readonly book = new LogBook();
  /** Grows with every change. */
  version = 0;
  error: Error | undefined;
  isRead = false;
  readonly #listeners = new Set<() => void>();
  #frame = 0;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Reads and follows the log of a build until it ends or `signal` aborts. */
  async read(id: string, signal: AbortSignal): Promise<void> {
    try {
      await followEvents(
        `v1/builds/${id}/logs`,
        (events) => {
          for (const { id: recordId, data } of events) {
            // Written by this server's workers by the same schema; checking each of a million records would take seconds.
            if (recordId !== undefined) this.book.add({ ...JSON.parse(data), id: recordId } as IdentifiedLogRecord);
          }
          this.#changed();
        },
        {
          signal,
          query: { format: 'sse' },
          isOver: () => this.book.isOver,
          onConnection: (isOpen) => noteConnection(CONNECTION, isOpen || this.book.isOver),
        },
      );
    } catch (error) {
      this.error = error as Error;
    }
    this.isRead = true;
    this.#changed();
  }

  /** Tells listeners at most once per frame. */
  #changed(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.version += 1;
      for (const listener of this.#listeners) listener();
    });
  }
}

/** The log of a build, from its first line, and what follows. */
export function useLog(id: string): LogReading {
  const [reading, setReading] = useState(() => new LogReading());
  useEffect(() => {
    const stop = new AbortController();
    const started = new LogReading();
    setReading(started);
    void started.read(id, stop.signal);
    return () => {
      stop.abort();
      dropConnection(CONNECTION);
    };
  }, [id]);
  useSyncExternalStore(reading.subscribe, () => reading.version);
  return reading;
}

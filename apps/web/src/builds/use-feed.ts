import { type BuildView, buildView } from '@kiln/contracts';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { parseAnswer } from '../api/call.ts';
import { followEvents } from '../api/event-stream.ts';
import { dropConnection, noteConnection } from '../app/connection.ts';

const CONNECTION = 'builds';

interface Listener {
  /** Builds that have changed. */
  readonly onBuilds: (builds: readonly BuildView[]) => void;
  /** Something may have been missed: what is shown has to be read again. Called when the connection is open, too. */
  readonly onReset: () => void;
}

/** Follows changes of builds while the component is there. */
export function useFeed(listener: Listener): void {
  const client = useQueryClient();
  const current = useRef(listener);
  current.current = listener;
  useEffect(() => {
    const stop = new AbortController();
    followEvents(
      'v1/builds/events',
      (events) => {
        const builds: BuildView[] = [];
        for (const { event, data } of events) {
          if (event === 'build') builds.push(parseAnswer(buildView, JSON.parse(data)));
          else current.current.onReset();
        }
        if (builds.length > 0) current.current.onBuilds(builds);
      },
      { signal: stop.signal, onConnection: (isOpen) => noteConnection(CONNECTION, isOpen) },
    ).catch(() => {
      // The session has ended, or the right to see builds: the next request shows it.
      void client.invalidateQueries();
    });
    return () => {
      stop.abort();
      dropConnection(CONNECTION);
    };
  }, [client]);
}

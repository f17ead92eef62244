import { type BuildFilter, type BuildView, buildPage, buildView } from '@kiln/contracts';
import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { call, parseAnswer } from '../api/call.ts';
import { followEvents } from '../api/event-stream.ts';
import { dropConnection, noteConnection } from '../app/connection.ts';
import { type BuildPages, withUpdates } from './build-pages.ts';

const PAGE = 100;
const CONNECTION = 'builds';

/** The list of builds that match a filter, newest first, kept up to date while it is shown. */
export function useBuilds(filter: BuildFilter) {
  const client = useQueryClient();
  const queryKey = useMemo(() => ['builds', filter] as const, [filter]);
  const query = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      call('v1/builds', buildPage, { query: { ...filter, limit: PAGE, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  useEffect(() => {
    const stop = new AbortController();
    followEvents(
      'v1/builds/events',
      (events) => {
        const updates: BuildView[] = [];
        for (const { event, data } of events) {
          if (event === 'build') updates.push(parseAnswer(buildView, JSON.parse(data)));
          // Something may have changed before the stream was open.
          else void client.invalidateQueries({ queryKey });
        }
        if (updates.length === 0) return;
        for (const build of updates) client.setQueryData(['build', build.id], newer(build));
        client.setQueryData<BuildPages>(queryKey, (pages) => pages && withUpdates(pages, updates, filter));
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
  }, [client, queryKey, filter]);
  return query;
}

/** Replaces a build unless what is there is newer. One that isn't shown anywhere isn't kept. */
function newer(build: BuildView) {
  return (old: BuildView | undefined) => (old && old.revision <= build.revision ? build : old);
}

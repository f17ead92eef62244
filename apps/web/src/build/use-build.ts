import { type BuildView, buildView } from '@kiln/contracts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/call.ts';
import { useFeed } from '../builds/use-feed.ts';

/** One build, kept up to date while it is shown. */
export function useBuild(id: string) {
  const client = useQueryClient();
  const queryKey = ['build', id];
  useFeed({
    onBuilds: (builds) => {
      const build = builds.findLast((one) => one.id === id);
      if (!build) return;
      client.setQueryData<BuildView>(queryKey, (old) => (old && old.revision > build.revision ? old : build));
      void client.invalidateQueries({ queryKey: ['build-part', id] });
    },
    onReset: () => void client.invalidateQueries({ queryKey }),
  });
  return useQuery({
    queryKey,
    queryFn: ({ signal }) => call(`v1/builds/${id}`, buildView, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

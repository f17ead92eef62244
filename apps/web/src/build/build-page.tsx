import { buildView } from '@kiln/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { call } from '../api/call.ts';
import { shortRepo } from '../ui/build-words.ts';
import { Failure } from '../ui/failure.tsx';
import { StateMark } from '../ui/state-mark.tsx';

const route = getRouteApi('/builds/$id');

/** One build. */
export function BuildPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: ['build', id],
    queryFn: ({ signal }) => call(`v1/builds/${id}`, buildView, { signal }),
  });
  return (
    <main className="page">
      <title>{data ? `${shortRepo(data.repo)} ${data.state} · Kiln` : 'Build · Kiln'}</title>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {data && (
        <h1>
          {shortRepo(data.repo)} <StateMark state={data.state} />
        </h1>
      )}
    </main>
  );
}

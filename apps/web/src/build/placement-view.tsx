import { type BuildView, type PlacementInfoView, placementView, reasonText, verdictText } from '@kiln/contracts';
import { useQuery } from '@tanstack/react-query';
import { call } from '../api/call.ts';
import { isActive } from '../ui/build-words.ts';
import { Failure } from '../ui/failure.tsx';
import { Message } from '../ui/message.tsx';
import { duration, exact } from '../ui/times.ts';

type Decision = PlacementInfoView['decisions'][number];

/** Why the build ran where it did, or waits, with the hosts that were considered. */
export function PlacementView({ build }: { readonly build: BuildView }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['build-part', build.id, 'placement'],
    queryFn: ({ signal }) => call(`v1/builds/${build.id}/placement`, placementView, { signal }),
    // A decision to wait may change without a change of the build.
    refetchInterval: isActive(build) ? 3_000 : false,
  });
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  if (!data) return <p className="hint">Reading the decisions …</p>;
  if (data.decisions.length === 0) return <Message title="Nothing has been decided about this build yet." />;
  return data.decisions
    .toReversed()
    .map((decision) => <Decided key={`${decision.attempt} ${decision.decidedAt}`} decision={decision} />);
}

function Decided({ decision }: { readonly decision: Decision }) {
  const { host, decidedAt, predicted, actual, considered, others, attempt } = decision;
  const awaited = considered.find(({ verdict }) => verdict === 'awaited');
  const what = host !== null ? `Runs on ${host}` : awaited ? `Waits for ${awaited.host}` : 'Waits';
  return (
    <section className="decision">
      <h2>
        {what}: {reasonText(decision)}
      </h2>
      <p className="hint">
        Attempt {attempt}, decided {exact(decidedAt)}
      </p>
      {predicted && (
        <p>
          Predicted: starts {exact(predicted.startAt)}, runs {duration(predicted.runMs)}, {percent(predicted.warmth)} of
          its cache is there.
        </p>
      )}
      {actual && (
        <p>
          Started after {duration(actual.waitedMs)}
          {actual.runMs !== undefined && `, ran ${duration(actual.runMs)}`}
          {actual.end && `, ${actual.end}`}.
        </p>
      )}
      {considered.length > 0 && (
        <table className="plain">
          <caption>Hosts that were considered, the best first</caption>
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">Slots used</th>
              <th scope="col">Cache there</th>
              <th scope="col">Verdict</th>
            </tr>
          </thead>
          <tbody>
            {considered.map(({ host: name, usedSlots, slots, warmth, verdict }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  {usedSlots} of {slots}
                </td>
                <td>{percent(warmth)}</td>
                <td>{verdictText(verdict)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {others && Object.keys(others).length > 0 && (
        <p className="hint">
          Others:{' '}
          {Object.entries(others)
            .map(([verdict, count]) => `${count} ${verdictText(verdict)}`)
            .join(', ')}
        </p>
      )}
    </section>
  );
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

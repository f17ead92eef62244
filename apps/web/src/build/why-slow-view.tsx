import { type BuildView, bytes, causeLines, stepLabel, type WhySlowView as Why, whySlowView } from '@kiln/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { call } from '../api/call.ts';
import { Failure } from '../ui/failure.tsx';
import { Message } from '../ui/message.tsx';
import { duration } from '../ui/times.ts';

const NOT_RECORDED = {
  not_started: 'The build has not started yet.',
  running: 'The build still runs: this is told when it has ended.',
  storing: 'The build has just ended, and its record is being stored.',
  not_recorded: 'There is no record of this attempt, or it has been deleted.',
} as const;

/** Which steps were not cached, and why; what the build's time went into. */
export function WhySlowView({ build }: { readonly build: BuildView }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['build-part', build.id, 'why-slow'],
    queryFn: ({ signal }) => call(`v1/builds/${build.id}/why-slow`, whySlowView, { signal }),
    refetchInterval: ({ state }) => (state.data?.notRecorded === 'storing' ? 1_000 : false),
  });
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  if (!data) return <p className="hint">Comparing …</p>;
  if (data.notRecorded) return <Message title={NOT_RECORDED[data.notRecorded]} />;
  return (
    <>
      <Compared why={data} />
      <Steps why={data} />
      <Mounts why={data} />
    </>
  );
}

function Compared({ why: { comparedWith, usual, savedMs, time, host } }: { readonly why: Why }) {
  return (
    <>
      {comparedWith && (
        <p>
          Compared with{' '}
          <Link to="/builds/$id" params={{ id: comparedWith.build }}>
            the last successful build like it
          </Link>
          {comparedWith.host === host ? ' on the same host.' : `, on ${comparedWith.host}.`}
        </p>
      )}
      {time && (
        <p>
          {duration(time.totalMs)} in all: {duration(time.queueMs)} in the queue, {duration(time.contextMs)} for the
          context, {duration(time.pullMs)} for pulls, {duration(time.runMs)} for steps, {duration(time.exportMs)} for
          exports.
          {usual && ` Such builds usually run ${duration(usual.runMs)} (median of ${usual.builds}).`}
          {savedMs !== undefined && savedMs > 0 && ` The caches saved about ${duration(savedMs)}.`}
        </p>
      )}
    </>
  );
}

function Steps({ why: { steps } }: { readonly why: Why }) {
  if (!steps) return null;
  return (
    <table className="plain">
      <caption>
        {steps.cached} of {steps.total} steps were cached.
      </caption>
      <thead>
        <tr>
          <th scope="col">Step</th>
          <th scope="col">State</th>
          <th scope="col">Time</th>
          <th scope="col">Why it was not cached</th>
        </tr>
      </thead>
      <tbody>
        {steps.list.map(({ name, state, ms, cause }, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: names may repeat, and the list never changes
          <tr key={i} className={i === steps.first ? 'first-miss' : undefined}>
            <th scope="row">
              <code>{stepLabel(name)}</code>
            </th>
            <td>{state.replace('_', ' ')}</td>
            <td>{ms === undefined ? '' : duration(ms)}</td>
            <td>{cause && causeLines(cause).map((line) => <div key={line}>{line}</div>)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Mounts({ why: { mounts = [] } }: { readonly why: Why }) {
  if (mounts.length === 0) return null;
  const size = (count: number | undefined) => (count === undefined ? '' : bytes(count));
  return (
    <table className="plain">
      <caption>Cache mounts</caption>
      <thead>
        <tr>
          <th scope="col">Mount</th>
          <th scope="col">State</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {mounts.map(({ id, state, beforeBytes, afterBytes }) => (
          <tr key={id}>
            <th scope="row">
              <code>{id}</code>
            </th>
            <td>{state}</td>
            <td>{size(beforeBytes)}</td>
            <td>{size(afterBytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

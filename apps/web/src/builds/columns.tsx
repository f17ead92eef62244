import type { BuildView } from '@kiln/contracts';
import { Link } from '@tanstack/react-router';
import { createColumnHelper, tableFeatures } from '@tanstack/react-table';
import { isActive, shortRepo, sourceWords, triggerWords, waitingWords } from '../ui/build-words.ts';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago, Took } from '../ui/time.tsx';

export const features = tableFeatures({});
const helper = createColumnHelper<typeof features, BuildView>();

export const columns = helper.columns([
  helper.display({ id: 'state', header: 'State', cell: ({ row }) => <State build={row.original} /> }),
  helper.display({ id: 'build', header: 'Build', cell: ({ row }) => <What build={row.original} /> }),
  helper.display({ id: 'trigger', header: 'Trigger', cell: ({ row }) => <Trigger build={row.original} /> }),
  helper.display({ id: 'host', header: 'Host', cell: ({ row }) => row.original.host ?? <None /> }),
  helper.display({ id: 'waited', header: 'Waited', cell: ({ row }) => <Waited build={row.original} /> }),
  helper.display({ id: 'ran', header: 'Ran', cell: ({ row }) => <Ran build={row.original} /> }),
]);

function None() {
  return <span className="none">–</span>;
}

function State({ build }: { readonly build: BuildView }) {
  const { state, cancelRequestedAt, attempts } = build;
  const note =
    cancelRequestedAt !== undefined && isActive(build)
      ? 'canceling'
      : attempts.length > 1
        ? `attempt ${attempts.length}`
        : undefined;
  return <StateMark state={state} note={note} />;
}

function What({ build }: { readonly build: BuildView }) {
  const { branch, commit } = sourceWords(build);
  const { target } = build.request;
  return (
    <>
      <Link to="/builds/$id" params={{ id: build.id }} className="row-link" title={build.repo}>
        {shortRepo(build.repo)}
      </Link>
      <span className="sub">
        {branch && <span className="branch">{branch}</span>}
        {commit && <code>{commit}</code>}
        {target && <span>{target}</span>}
        {build.state === 'failed' && build.failure && <span className="reason">{build.failure.message}</span>}
        {!build.failure && waitingWords(build) && <span>{waitingWords(build)}</span>}
      </span>
    </>
  );
}

function Trigger({ build }: { readonly build: BuildView }) {
  return (
    <>
      <span className="clip">{triggerWords(build)}</span>
      <span className="sub">
        <Ago at={build.createdAt} /> <span>{build.team}</span>
      </span>
    </>
  );
}

function Waited({ build }: { readonly build: BuildView }) {
  const until = build.startedAt ?? build.finishedAt;
  return <Took from={build.createdAt} to={until} />;
}

function Ran({ build }: { readonly build: BuildView }) {
  const { startedAt, finishedAt, steps } = build;
  if (startedAt === undefined) return <None />;
  return (
    <>
      <Took from={startedAt} to={isActive(build) ? undefined : finishedAt} />
      {steps && steps.total > 0 && (
        <span className="sub">
          {steps.cached} of {steps.total} cached
        </span>
      )}
    </>
  );
}

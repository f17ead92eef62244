import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { shortRepo } from '../ui/build-words.ts';
import { Failure } from '../ui/failure.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { Actions } from './actions.tsx';
import { Facts } from './facts.tsx';
import { FailureCard } from './failure-card.tsx';
import { useLog } from './log/use-log.ts';
import { LogPanel } from './log-panel.tsx';
import { OutputsView } from './outputs-view.tsx';
import { PARTS, type Part } from './parts.ts';
import { PlacementView } from './placement-view.tsx';
import { StepsView } from './steps-view.tsx';
import { useBuild } from './use-build.ts';
import { WhySlowView } from './why-slow-view.tsx';

const route = getRouteApi('/builds/$id');
const NAMES: Readonly<Record<Part, string>> = {
  log: 'Log',
  steps: 'Steps',
  slow: 'Why slow',
  placement: 'Why there',
  outputs: 'Outputs',
};

/** One build: what it is and how it goes, its log, its steps over time, why it took as long, why it ran there, and what it made. */
export function BuildPage() {
  const { id } = route.useParams();
  const { part = 'log', line } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: build, error, refetch } = useBuild(id);
  const reading = useLog(id);
  const show = (shown: number) => void navigate({ search: { line: shown + 1 }, replace: true });
  const { book } = reading;

  // A build that has failed opens at its error.
  const hasOpened = useRef('');
  const failedLine = [...book.steps.values()].findLast(({ state }) => state === 'failed')?.lastLine;
  const isFailed = build?.state === 'failed';
  useEffect(() => {
    if (!isFailed || failedLine === undefined || hasOpened.current === id) return;
    hasOpened.current = id;
    if (line === undefined && part === 'log') void navigate({ search: { line: failedLine + 1 }, replace: true });
  }, [isFailed, failedLine, id, line, part, navigate]);

  return (
    <main className="page build-page">
      <title>{build ? `${shortRepo(build.repo)} ${build.state} · Kiln` : 'Build · Kiln'}</title>
      {!build && <h1 className="hidden">Build {id}</h1>}
      {error && <Failure error={error} retry={() => void refetch()} />}
      {!build && !error && <p className="hint">Loading the build …</p>}
      {build && (
        <>
          <header className="build-head">
            <h1>
              <span title={build.repo}>{shortRepo(build.repo)}</span> <StateMark state={build.state} />
            </h1>
            <code className="hint">{build.id}</code>
            <Actions build={build} />
          </header>
          <Facts build={build} />
          {build.state === 'failed' && build.failure && (
            <FailureCard failure={build.failure} book={book} onShow={show} />
          )}
          <nav className="tabs" aria-label="Parts of the build">
            {PARTS.map((one) => (
              <Link
                key={one}
                to="/builds/$id"
                params={{ id }}
                search={one === 'log' ? {} : { part: one }}
                replace
                aria-current={one === part ? 'page' : undefined}
                activeOptions={{ exact: true }}
                activeProps={{ 'aria-current': one === part ? 'page' : undefined }}
              >
                {NAMES[one]}
              </Link>
            ))}
          </nav>
          {part === 'log' && (
            <LogPanel
              key={id}
              build={build}
              reading={reading}
              marked={line === undefined ? undefined : line - 1}
              onMark={show}
            />
          )}
          {part === 'steps' && <StepsView build={build} book={book} onShow={show} />}
          {part === 'slow' && <WhySlowView build={build} />}
          {part === 'placement' && <PlacementView build={build} />}
          {part === 'outputs' && <OutputsView build={build} />}
        </>
      )}
    </main>
  );
}

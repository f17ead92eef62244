import type { BuildView } from '@kiln/contracts';
import { Link } from '@tanstack/react-router';
import { shortRepo, waitingWords } from '../ui/build-words.ts';
import { counted } from '../ui/counted.ts';
import { Took } from '../ui/time.tsx';

/** Builds that are listed of each team. */
const SHOWN = 5;

/** What waits for a host, by team, the longest first. */
export function Queue({ builds, hasMore }: { readonly builds: readonly BuildView[]; readonly hasMore: boolean }) {
  if (builds.length === 0) return <p className="hint">No build waits.</p>;
  const teams = Map.groupBy(builds.toReversed(), ({ team }) => team);
  return (
    <>
      {[...teams].map(([team, own]) => (
        <section key={team} aria-label={`Builds of team ${team} that wait`}>
          <h3>
            {team} <span className="dim">{counted(own.length, 'build')}</span>
          </h3>
          <ul className="queue">
            {own.slice(0, SHOWN).map((build) => (
              <li key={build.id}>
                <Link to="/builds/$id" params={{ id: build.id }}>
                  {shortRepo(build.repo)}
                </Link>
                <span className="dim">
                  {waitingWords(build) ?? 'waits for its turn'}, <Took from={build.queuedAt} />
                </span>
              </li>
            ))}
          </ul>
          {own.length > SHOWN && (
            <Link to="/" search={{ state: 'queued', team }}>
              Show all {own.length}
            </Link>
          )}
        </section>
      ))}
      {hasMore && <p className="hint">More wait; the newest {builds.length} are counted here.</p>}
    </>
  );
}

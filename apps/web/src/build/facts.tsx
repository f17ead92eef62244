import type { BuildView } from '@kiln/contracts';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { isActive, sourceWords, triggerWords, waitingWords } from '../ui/build-words.ts';
import { Ago, Took } from '../ui/time.tsx';
import { exact } from '../ui/times.ts';

/** What a build is, where it runs, and how long it took. */
export function Facts({ build }: { readonly build: BuildView }) {
  const { branch, commit } = sourceWords(build);
  const { startedAt, finishedAt, steps, retryOf, supersededBy, sharedRun } = build;
  const rows: [string, ReactNode][] = [
    ['Source', <Source key="source" build={build} />],
    ...(branch ? [['Ref', branch] as [string, ReactNode]] : []),
    ...(commit ? [['Commit', <code key="commit">{build.commit}</code>] as [string, ReactNode]] : []),
    ['Trigger', triggerWords(build)],
    ['Team', build.trust === 'untrusted' ? `${build.team}, untrusted` : build.team],
    ['Created', <Ago key="created" at={build.createdAt} />],
    ['Waited', <Took key="waited" from={build.createdAt} to={startedAt ?? finishedAt} />],
    ...(startedAt === undefined
      ? []
      : [
          ['Ran', <Took key="ran" from={startedAt} to={isActive(build) ? undefined : finishedAt} />] as [
            string,
            ReactNode,
          ],
        ]),
    ...(build.host === undefined ? [] : [['Host', build.host] as [string, ReactNode]]),
    ...(steps && steps.total > 0 ? [['Cached', `${steps.cached} of ${steps.total} steps`] as [string, ReactNode]] : []),
    ...(waitingWords(build) ? [['Waits', waitingWords(build)] as [string, ReactNode]] : []),
    ...(build.waiting?.ahead === undefined
      ? []
      : [['In the queue', `${build.waiting.ahead} ahead of it`] as [string, ReactNode]]),
    ...(build.waiting?.startAt === undefined
      ? []
      : [['Expected start', exact(build.waiting.startAt)] as [string, ReactNode]]),
    ...linked('Retry of', retryOf),
    ...linked('Superseded by', supersededBy),
    ...linked('Shares the run of', sharedRun),
  ];
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function linked(name: string, id: string | undefined): [string, ReactNode][] {
  if (id === undefined) return [];
  return [
    [
      name,
      <Link key={id} to="/builds/$id" params={{ id }}>
        <code>{id}</code>
      </Link>,
    ],
  ];
}

function Source({ build: { repo, request } }: { readonly build: BuildView }) {
  const { target, platforms } = request;
  return (
    <>
      {repo}
      {target && `, target ${target}`}
      {platforms && platforms.length > 0 && `, ${platforms.join(', ')}`}
    </>
  );
}

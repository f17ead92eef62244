import type { BuildView } from '@kiln/contracts';
import { useCallback, useEffect, useId, useRef, useState } from 'react';
import { urlOf } from '../api/call.ts';
import { isActive } from '../ui/build-words.ts';
import { Failure } from '../ui/failure.tsx';
import { findLines } from './log/find.ts';
import { LogView } from './log/log-view.tsx';
import type { LogReading } from './log/use-log.ts';

interface Props {
  readonly build: BuildView;
  readonly reading: LogReading;
  /** The line that the address names, from 0. */
  readonly marked: number | undefined;
  readonly onMark: (line: number) => void;
}

/** The log with its search, its follow switch and its download. */
export function LogPanel({ build, reading, marked, onMark }: Props) {
  const { book, version, error, isRead } = reading;
  const { lines } = book;
  const [isFollowing, setIsFollowing] = useState(marked === undefined && isActive(build));
  const [goTo, setGoTo] = useState<{ line: number; count: number }>();
  const go = useCallback((line: number) => {
    setIsFollowing(false);
    setGoTo((before) => ({ line, count: (before?.count ?? 0) + 1 }));
  }, []);
  const hasLine = marked !== undefined && marked < lines.length;
  useEffect(() => {
    if (hasLine && marked !== undefined) go(marked);
  }, [marked, hasLine, go]);
  return (
    <section className="log-panel" aria-label="Log of the build">
      <div className="log-bar">
        <Find lines={lines} version={version} onGo={go} />
        <label className="check">
          <input type="checkbox" checked={isFollowing} onChange={(event) => setIsFollowing(event.target.checked)} />{' '}
          Follow
        </label>
        <span className="hint" role="status">
          {lines.length === 1 ? '1 line' : `${lines.length.toLocaleString('en')} lines`}
          {!isRead && isActive(build) && ', live'}
        </span>
        <a
          className="button quiet"
          href={urlOf(`v1/builds/${build.id}/logs`, { format: 'text', follow: false })}
          download={`${build.id}.log`}
        >
          Download
        </a>
      </div>
      {error && <Failure error={error} />}
      <LogView
        lines={lines}
        version={version}
        marked={marked}
        goTo={goTo}
        isFollowing={isFollowing}
        onFollow={setIsFollowing}
        onMark={onMark}
      />
    </section>
  );
}

/** Searches the lines, and goes from one that matches to the next. */
function Find({
  lines,
  version,
  onGo,
}: {
  readonly lines: readonly string[];
  readonly version: number;
  readonly onGo: (line: number) => void;
}) {
  const id = useId();
  const [text, setText] = useState('');
  const [found, setFound] = useState<readonly number[]>([]);
  const [at, setAt] = useState(0);
  const hasGone = useRef('');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines are the same array, which grows with the version
  useEffect(() => {
    const stop = new AbortController();
    if (text === '') setFound([]);
    else {
      void findLines(lines, text, stop.signal).then((result) => {
        if (!result) return;
        setFound(result);
        const [first] = result;
        if (hasGone.current === text || first === undefined) return;
        hasGone.current = text;
        setAt(0);
        onGo(first);
      });
    }
    return () => stop.abort();
  }, [text, version, lines, onGo]);
  function move(by: number): void {
    if (found.length === 0) return;
    const next = (at + by + found.length) % found.length;
    setAt(next);
    onGo(found[next] ?? 0);
  }
  return (
    <search className="find">
      <label htmlFor={id} className="hidden">
        Search the log
      </label>
      <input
        id={id}
        type="search"
        placeholder="Search the log"
        data-shortcut="/"
        value={text}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          move(event.shiftKey ? -1 : 1);
        }}
      />
      {text !== '' && (
        <>
          <span role="status">
            {found.length === 0 ? 'not found' : `${Math.min(at + 1, found.length)} of ${found.length}`}
          </span>
          <button
            type="button"
            className="button quiet"
            aria-label="Previous match"
            disabled={found.length === 0}
            onClick={() => move(-1)}
          >
            ↑
          </button>
          <button
            type="button"
            className="button quiet"
            aria-label="Next match"
            disabled={found.length === 0}
            onClick={() => move(1)}
          >
            ↓
          </button>
        </>
      )}
    </search>
  );
}

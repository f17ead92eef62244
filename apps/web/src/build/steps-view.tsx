import type { BuildView } from '@kiln/contracts';
import { isActive } from '../ui/build-words.ts';
import { Message } from '../ui/message.tsx';
import { useNow } from '../ui/time.tsx';
import { duration } from '../ui/times.ts';
import type { LogBook } from './log/log-book.ts';
import { type Bar, barsOf, timeByKind } from './waterfall.ts';

const KIND_NAMES = {
  queue: 'queue',
  context: 'context',
  pull: 'pulls',
  run: 'steps',
  export: 'export',
  other: 'other',
} as const;

/** The steps of the last attempt over time, with the time by kind of work. */
export function StepsView({
  build,
  book,
  onShow,
}: {
  readonly build: BuildView;
  readonly book: LogBook;
  readonly onShow: (line: number) => void;
}) {
  const current = useNow(isActive(build) ? 1_000 : undefined);
  // A step that was cut off ended with its build.
  const now = build.finishedAt === undefined ? current : Date.parse(build.finishedAt);
  const attempt = build.attempts.length;
  const startedAt = build.startedAt === undefined ? undefined : Date.parse(build.startedAt);
  const bars = barsOf(book.steps.values(), attempt, { queuedAt: Date.parse(build.queuedAt), startedAt }, now);
  const wholeMs = Math.max(1, ...bars.map(({ fromMs, ms }) => fromMs + ms));
  return (
    <>
      {build.attempts.length > 1 && (
        <Message title={`This is attempt ${attempt} of ${build.attempts.length}.`}>
          {build.attempts.slice(0, -1).map(({ number, host, end, failure }) => (
            <p key={number}>
              Attempt {number} on {host}: {failure?.message ?? end}
            </p>
          ))}
        </Message>
      )}
      <ul className="kinds" aria-label="Time by kind of work">
        {[...timeByKind(bars)].map(([kind, ms]) => (
          <li key={kind} className={`kind-${kind}`}>
            <span className="swatch" aria-hidden="true" />
            {KIND_NAMES[kind]} <b>{duration(ms)}</b>
          </li>
        ))}
      </ul>
      <ol className="waterfall" aria-label="Steps over time">
        {bars.map((bar) => (
          <Row key={bar.key} bar={bar} wholeMs={wholeMs} onShow={onShow} />
        ))}
      </ol>
    </>
  );
}

function Row({
  bar,
  wholeMs,
  onShow,
}: {
  readonly bar: Bar;
  readonly wholeMs: number;
  readonly onShow: (line: number) => void;
}) {
  const { name, kind, state, fromMs, ms, line } = bar;
  const isThin = state === 'cached';
  return (
    <li className="bar-row">
      {line === undefined ? (
        <span className="bar-name">{name}</span>
      ) : (
        <button type="button" className="bar-name" title={`${name}: show its output`} onClick={() => onShow(line)}>
          {name}
        </button>
      )}
      <span className="bar-lane" aria-hidden="true">
        <span
          className={`bar kind-${kind} ${state}${isThin ? ' thin' : ''}`}
          style={{ left: `${(fromMs / wholeMs) * 100}%`, width: `${(ms / wholeMs) * 100}%` }}
        />
      </span>
      <span className="bar-time">
        {state === 'cached' ? 'cached' : state === 'failed' ? `failed ${duration(ms)}` : duration(ms)}
      </span>
    </li>
  );
}

import { type CSSProperties, memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { type Span, type Style, spansOf } from './ansi.ts';

const LINE_PX = 20;
const OVERSCAN = 30;
/** So close to the end, px, counts as being there. */
const AT_END_PX = 30;

interface Props {
  readonly lines: readonly string[];
  /** Grows with the lines. */
  readonly version: number;
  /** Line that is marked, from 0. */
  readonly marked: number | undefined;
  /** Brings a line into view when it changes: its number, and a count so that the same line can be asked for again. */
  readonly goTo: { readonly line: number; readonly count: number } | undefined;
  readonly isFollowing: boolean;
  readonly onFollow: (isFollowing: boolean) => void;
  readonly onMark: (line: number) => void;
}

/** The lines of a log, of which only those in view are there. Every line is one row, however long. */
export function LogView({ lines, version, marked, goTo, isFollowing, onFollow, onMark }: Props) {
  const view = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ first: 0, count: 60 });
  const isMoving = useRef(false);

  const look = useCallback((): void => {
    const element = view.current;
    if (!element) return;
    const first = Math.max(0, Math.floor(element.scrollTop / LINE_PX) - OVERSCAN);
    const count = Math.ceil(element.clientHeight / LINE_PX) + 2 * OVERSCAN;
    setRange((before) => (before.first === first && before.count === count ? before : { first, count }));
  }, []);

  function scrolled(): void {
    look();
    const element = view.current;
    if (!element || isMoving.current) {
      isMoving.current = false;
      return;
    }
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    if (isAtEnd !== isFollowing) onFollow(isAtEnd);
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines are the same array, which has grown
  useLayoutEffect(() => {
    const element = view.current;
    if (element && isFollowing) {
      const before = element.scrollTop;
      element.scrollTop = element.scrollHeight;
      isMoving.current = element.scrollTop !== before;
    }
    look();
  }, [version, isFollowing, look]);

  useLayoutEffect(() => {
    const element = view.current;
    if (!element || !goTo) return;
    element.scrollTop = Math.max(0, goTo.line * LINE_PX - element.clientHeight / 3);
    look();
  }, [goTo, look]);

  useEffect(() => {
    const element = view.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => look());
    observer.observe(element);
    return () => observer.disconnect();
  }, [look]);

  const shown = lines.slice(range.first, range.first + range.count);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keyboard
    // biome-ignore lint/a11y/useSemanticElements: a section with a name is this
    <div className="log" ref={view} onScroll={scrolled} tabIndex={0} role="region" aria-label="Log">
      <div className="log-lines" style={{ height: lines.length * LINE_PX }}>
        <div className="log-window" style={{ transform: `translateY(${range.first * LINE_PX}px)` }}>
          {shown.map((line, i) => {
            const number = range.first + i;
            return <Line key={number} line={line} number={number} isMarked={number === marked} onMark={onMark} />;
          })}
        </div>
      </div>
    </div>
  );
}

const Line = memo(function Line({
  line,
  number,
  isMarked,
  onMark,
}: {
  readonly line: string;
  readonly number: number;
  readonly isMarked: boolean;
  readonly onMark: (line: number) => void;
}) {
  return (
    <div className={`log-line ${kindOf(line)}${isMarked ? ' marked' : ''}`}>
      <button
        type="button"
        className="log-number"
        onClick={() => onMark(number)}
        aria-label={`Link to line ${number + 1}`}
      >
        {number + 1}
      </button>
      <code>{spansOf(line).map(shownSpan)}</code>
    </div>
  );
});

/** What a line of Kiln's or BuildKit's own is, by which it is coloured. */
function kindOf(line: string): string {
  if (line.startsWith('kiln: ')) return 'own';
  if (/^#\d+ (?:\[|CACHED|DONE|CANCELED)/.test(line)) return 'step';
  return /^#\d+ ERROR/.test(line) ? 'error' : '';
}

function shownSpan({ text, style }: Span, i: number) {
  const className = classesOf(style);
  if (className === '' && typeof style.color !== 'string' && typeof style.ground !== 'string') return text;
  const own: CSSProperties = {};
  if (typeof style.color === 'string') own.color = style.color;
  if (typeof style.ground === 'string') own.backgroundColor = style.ground;
  return (
    <span key={i} className={className} style={own}>
      {text}
    </span>
  );
}

function classesOf({ color, ground, bold, dim, italic, underline }: Style): string {
  return [
    typeof color === 'number' && `fg${color}`,
    typeof ground === 'number' && `bg${ground}`,
    bold && 'bold',
    dim && 'faint',
    italic && 'italic',
    underline && 'underlined',
  ]
    .filter(Boolean)
    .join(' ');
}

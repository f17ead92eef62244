import type { BuildView } from '@kiln/contracts';
import { plainOf } from './log/ansi.ts';
import type { LogBook } from './log/log-book.ts';

const LAST_LINES = 12;

/** Why a build failed: the step, the Dockerfile around it, and the end of its output. */
export function FailureCard({
  failure,
  book,
  onShow,
}: {
  readonly failure: NonNullable<BuildView['failure']>;
  readonly book: LogBook;
  /** Shows a line of the log. */
  readonly onShow: (line: number) => void;
}) {
  const failed = [...book.steps.values()].findLast(({ state }) => state === 'failed');
  const output = failed ? outputOf(book, failed.number, failed.line, failed.lastLine) : [];
  return (
    <section className="message bad failure" aria-label="Failure">
      <p className="message-title">
        {failure.message} <code>{failure.code}</code>
      </p>
      {failed && <p className="step-name">{failed.name}</p>}
      {failure.excerpt && (
        <pre className="excerpt">
          {failure.excerpt
            .trimEnd()
            .split('\n')
            .map((line, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the lines never change
              <span key={i} className={line.includes('>>>') ? 'hit' : undefined}>
                {line}
                {'\n'}
              </span>
            ))}
        </pre>
      )}
      {output.length > 0 && (
        <>
          <p className="hint">The end of its output:</p>
          <pre>{output.join('\n')}</pre>
        </>
      )}
      {failed && (
        <button type="button" className="button" onClick={() => onShow(failed.lastLine)}>
          Show it in the log
        </button>
      )}
    </section>
  );
}

/** The last lines that a step printed, without the log's own. */
function outputOf({ lines }: LogBook, step: number, from: number, to: number): string[] {
  const prefix = `#${step} `;
  return lines
    .slice(Math.max(from, to - 400), to + 1)
    .map(plainOf)
    .filter((line) => line.startsWith(prefix) && /^#\d+ \d+\.\d{3} /.test(line))
    .map((line) => line.replace(/^#\d+ \d+\.\d{3} /, ''))
    .slice(-LAST_LINES);
}

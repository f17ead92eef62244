interface Props {
  readonly label: string;
  readonly used: number;
  readonly total: number;
  /** The value in words, for the reader and for screen readers. */
  readonly words: string;
  /** From which share on it is shown as short of room. Default: never. */
  readonly shortFrom?: number;
}

/** How much of something is used, as a bar and in words. */
export function Meter({ label, used, total, words, shortFrom = Number.POSITIVE_INFINITY }: Props) {
  const share = total > 0 ? Math.min(1, used / total) : 0;
  return (
    <div className="meter">
      <span className="meter-words">{words}</span>
      {/* biome-ignore lint/a11y/useSemanticElements: a meter element can't be styled alike in all browsers */}
      <div
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={Math.min(used, total)}
        aria-valuetext={words}
        className={share >= shortFrom ? 'meter-bar short' : 'meter-bar'}
      >
        <div style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}

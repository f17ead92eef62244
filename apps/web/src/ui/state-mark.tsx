import type { BuildView } from '@kiln/contracts';

type State = BuildView['state'];

const SHAPES: Readonly<Record<State, string>> = {
  queued: 'M8 3v5l3 2M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 0 0 0-13',
  assigned: 'M3 8h8M8 4.500 11.500 8 8 11.500',
  running: 'M8 1.500a6.500 6.500 0 1 0 6.500 6.500',
  succeeded: 'm3 8.500 3.500 3.500L13 4.500',
  failed: 'm4 4 8 8M12 4l-8 8',
  canceled: 'M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 0 0 0-13M3.500 12.500l9-9',
};

/** A build's state as an icon and a word. */
export function StateMark({ state, note }: { readonly state: State; readonly note?: string | undefined }) {
  return (
    <span className={`state ${state}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SHAPES[state]} />
      </svg>
      {state}
      {note && <span className="state-note"> {note}</span>}
    </span>
  );
}

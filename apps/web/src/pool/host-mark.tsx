import type { HostInfoView } from '@kiln/contracts';
import { useNow } from '../ui/time.tsx';
import { hostNote } from './host-words.ts';

const TONES: Readonly<Record<HostInfoView['state'], string>> = {
  ready: 'good',
  cordoned: 'dim',
  draining: 'warn',
  drained: 'dim',
  removing: 'warn',
  removed: 'dim',
  left: 'dim',
  lost: 'bad',
};
const SHAPES: Readonly<Record<string, string>> = {
  good: 'm3 8.500 3.500 3.500L13 4.500',
  warn: 'M8 2v7M8 12v1.500',
  dim: 'M3 8h10',
  bad: 'm4 4 8 8M12 4l-8 8',
};

/** A host's state as an icon and a word, with what keeps it from taking builds. */
export function HostMark({ host }: { readonly host: HostInfoView }) {
  const note = hostNote(host, useNow(host.state === 'draining' ? 10_000 : undefined));
  const tone = host.state === 'ready' && note !== '' ? 'warn' : TONES[host.state];
  return (
    <span className={`mark ${tone}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SHAPES[tone]} />
      </svg>
      {host.state}
      {note && <span className="state-note"> {note}</span>}
    </span>
  );
}

import { useEffect, useState } from 'react';
import { ago, duration, exact } from './times.ts';

/** The current time, renewed every `everyMs`; it stands still without. */
export function useNow(everyMs: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (everyMs === undefined) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** How long ago something was, with the exact time on hover. */
export function Ago({ at }: { readonly at: string }) {
  const now = useNow(30_000);
  return (
    <time dateTime={at} title={exact(at)}>
      {ago(now - Date.parse(at))}
    </time>
  );
}

/** How long something took, or has taken so far if `to` is missing. */
export function Took({ from, to }: { readonly from: string; readonly to?: string | undefined }) {
  const now = useNow(to === undefined ? 1_000 : undefined);
  const ms = (to === undefined ? now : Date.parse(to)) - Date.parse(from);
  return <time title={`${exact(from)} – ${to === undefined ? 'now' : exact(to)}`}>{duration(ms)}</time>;
}

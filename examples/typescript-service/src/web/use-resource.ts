import { useCallback, useEffect, useState } from 'react';

export interface Resource<T> {
  /** The latest answer; stays while a newer one is fetched. */
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly reload: () => void;
}

const changeKinds = ['flag_saved', 'flag_deleted', 'segment_saved', 'segment_deleted'];

/** Fetches once, and again whenever the service reports a change. `fetchValue` must be stable: see useCallback. */
export function useResource<T>(fetchValue: () => Promise<T>): Resource<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<Error>();
  const [generation, setGeneration] = useState(0);
  const reload = useCallback(() => setGeneration((current) => current + 1), []);

  // The effect doesn't read the generation; a new one is the reason to fetch again.
  useEffect(() => {
    let current = true;
    fetchValue().then(
      (fetched) => {
        if (!current) return;
        setValue(() => fetched);
        setError(undefined);
      },
      (reason: Error) => {
        if (current) setError(reason);
      },
    );
    return () => {
      current = false;
    };
  }, [fetchValue, generation]);

  useEffect(() => {
    const events = new EventSource('api/changes');
    for (const kind of changeKinds) events.addEventListener(kind, reload);
    return () => events.close();
  }, [reload]);

  return { value, error, reload };
}

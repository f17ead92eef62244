import { useState } from 'react';

export interface Submit {
  readonly error: Error | undefined;
  readonly busy: boolean;
  readonly submit: (action: () => Promise<unknown>) => Promise<void>;
}

/** Runs one action at a time and keeps its failure for display until the next attempt. */
export function useSubmit(): Submit {
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);

  async function submit(action: () => Promise<unknown>): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      await action();
    } catch (reason) {
      setError(reason as Error);
    } finally {
      setBusy(false);
    }
  }

  return { error, busy, submit };
}

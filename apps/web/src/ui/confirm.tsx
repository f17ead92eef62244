import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { Failure } from './failure.tsx';

interface Props {
  readonly title: string;
  /** What will happen. */
  readonly children: ReactNode;
  /** The verb on the button: `Drain`. */
  readonly verb: string;
  readonly isDangerous?: boolean;
  /** What is on the button that does nothing. */
  readonly keep?: string;
  readonly act: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Asks before something is done, does it, and says why it failed. Closed by Escape, by Cancel, and when it is done. */
export function Confirm({ title, children, verb, isDangerous = false, keep = 'Cancel', act, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [error, setError] = useState<Error>();
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  async function confirm() {
    setIsBusy(true);
    setError(undefined);
    try {
      await act();
      onClose();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
      setIsBusy(false);
    }
  }
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={id} onClose={onClose}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        <h2 id={id}>{title}</h2>
        {children}
        {error && <Failure error={error} />}
        <div className="actions end">
          <button type="button" className="button" onClick={onClose}>
            {keep}
          </button>
          <button type="submit" className={isDangerous ? 'button danger' : 'button primary'} disabled={isBusy}>
            {isBusy ? 'Working …' : verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

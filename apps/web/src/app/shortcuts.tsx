import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';

const KEYS = [
  ['/', 'Search'],
  ['b', 'Show the builds'],
  ['j', 'The next build of the list'],
  ['k', 'The previous build of the list'],
  ['Enter', 'Open it'],
  ['?', 'Show these keys'],
] as const;

/** What a key does where nothing is typed: see `KEYS`. */
export function Shortcuts() {
  const navigate = useNavigate();
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '/') focusOn('[data-shortcut="/"]');
      else if (event.key === '?') setIsShown(true);
      else if (event.key === 'b') void navigate({ to: '/' });
      else if (event.key === 'j' || event.key === 'k') step(event.key === 'j' ? 1 : -1);
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [navigate]);
  return isShown ? <Sheet onClose={() => setIsShown(false)} /> : null;
}

function Sheet({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="confirm" aria-labelledby="keys-title" onClose={onClose}>
      <h2 id="keys-title">Keys</h2>
      <dl className="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div className="actions">
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.matches('input, select, textarea, dialog *') || target.isContentEditable)
  );
}

function focusOn(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

/** Moves the focus to the next or previous link of a list's rows. */
function step(by: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>('.row-link')].sort(
    (a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top,
  );
  const at = links.indexOf(document.activeElement as HTMLElement);
  links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))]?.focus();
}

import { ApiError, Unreachable } from '../api/problem.ts';
import { Message } from './message.tsx';

/** Shows why a request failed, and what to do. */
export function Failure({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  return (
    <Message tone="bad" title={titleOf(error)}>
      <p>{sentence(error.message)}</p>
      <p>{adviceOf(error)}</p>
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </Message>
  );
}

function titleOf(error: Error): string {
  if (error instanceof Unreachable) return 'Kiln cannot be reached';
  if (!(error instanceof ApiError)) return 'This could not be shown';
  if (error.status === 403) return 'Not permitted';
  if (error.status === 404) return 'Not found';
  if (error.status === 429) return 'Too many requests';
  return error.status >= 500 ? 'Kiln could not answer' : 'Refused';
}

function adviceOf(error: Error): string {
  if (error instanceof Unreachable) return 'The page tries again by itself.';
  if (!(error instanceof ApiError)) return '';
  if (error.status === 403) return 'Ask an admin for a token or role with the scope that is named, and log in again.';
  if (error.status === 404) return 'It may belong to another team, or may have been deleted after its retention.';
  return error.errors.map(({ field, got, expected }) => `${field}: got ${got}, expected ${expected}.`).join(' ');
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

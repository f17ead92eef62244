import { UsageError } from '../../io/errors.ts';

/** `host[:port]`, also out of a URL that has nothing else in it. Throws `UsageError`. */
export function hostOperand(text = ''): string {
  const bare = text.replace(/^https?:\/\//i, '').replace(/\/$/, '');
  if (bare !== '' && !/[/@\s?#]/.test(bare)) return bare.toLowerCase();
  throw new UsageError(
    `${JSON.stringify(text)}: expected a host, such as registry.example.org or git.example.org:8443`,
  );
}

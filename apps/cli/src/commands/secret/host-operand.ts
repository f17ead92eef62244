import { UsageError } from '../../io/errors.ts';

/** Parses `host[:port]`, or a URL that consists of nothing else. @throws UsageError */
export function hostOperand(text = ''): string {
  const bare = text.replace(/^https?:\/\//i, '').replace(/\/$/, '');
  if (bare !== '' && !/[/@\s?#]/.test(bare)) return bare.toLowerCase();
  throw new UsageError(
    `got ${JSON.stringify(text)}, expected a host such as registry.example.org or git.example.org:8443`,
  );
}

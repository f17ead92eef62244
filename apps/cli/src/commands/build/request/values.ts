import { NAMESPACE_ARG } from '@kiln/contracts';
import { UsageError } from '../../../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** `KEY=VALUE`, or `KEY` for the variable of that name; left out, as docker does, where that isn't set. Throws `UsageError`. */
export function buildArgs(flags: readonly string[], env: Env): Record<string, string> {
  const args: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf('=');
    if (at === 0 || flag === '') throw new UsageError(`--build-arg ${flag}: expected KEY=VALUE or KEY`);
    const name = at < 0 ? flag : flag.slice(0, at);
    if (name === NAMESPACE_ARG) {
      throw new UsageError(
        `--build-arg ${name}: Kiln sets it; --repo says whose caches to use, --cache-scope who shares the mounts`,
      );
    }
    const value = at < 0 ? env[flag] : flag.slice(at + 1);
    if (value !== undefined) args[name] = value;
  }
  return args;
}

/** `KEY=VALUE`; `KEY` is an empty label. */
export function labels(flags: readonly string[], name = '--label'): Record<string, string> {
  return Object.fromEntries(
    flags.map((flag) => {
      const at = flag.indexOf('=');
      if (at === 0 || flag === '') throw new UsageError(`${name} ${flag}: expected KEY=VALUE`);
      return at < 0 ? [flag, ''] : [flag.slice(0, at), flag.slice(at + 1)];
    }),
  );
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64' };

/** `linux/amd64,arm64`: repeated or with commas; an architecture alone is Linux's. */
export function platforms(flags: readonly string[]): string[] {
  const named = flags
    .flatMap((flag) => flag.split(','))
    .map((platform) => platform.trim().toLowerCase())
    .filter((platform) => platform !== '' && platform !== 'local')
    .map((platform) => {
      const [os = '', architecture, ...variant] = platform.includes('/') ? platform.split('/') : ['linux', platform];
      return [os, ARCHITECTURES[architecture ?? ''] ?? architecture, ...variant]
        .join('/')
        .replace(/^(linux\/arm64)\/v8$/, '$1');
    });
  return [...new Set(named)];
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

/** `90`, `90s`, `20m`, `1h30m` in whole seconds. */
export function durationSeconds(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  if (!/^(?:\d+[smh])+$/.test(text))
    throw new UsageError(`${flag} ${text}: expected a duration such as 90s, 20m or 1h30m`);
  return [...text.matchAll(/(\d+)([smh])/gy)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * (SECONDS[unit ?? ''] ?? 0),
    0,
  );
}

const POWERS: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, t: 4 };

/** `512m`, `2g`, `1.5GiB` in bytes; powers of 1024, as docker has them. */
export function memoryBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?$/i.exec(text);
  if (!match) throw new UsageError(`${flag} ${text}: expected a size such as 512m or 2g`);
  return Math.round(Number(match[1]) * 1024 ** (POWERS[(match[2] || 'b').toLowerCase()] ?? 0));
}

/** `true`, `false`, or buildx's own `mode=max`. */
export function attestation(text: string): boolean | string {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  return text;
}

/** `type=provenance,mode=max`: which attestation, and what of it. */
export function attestFlag(text: string): { kind: 'provenance' | 'sbom'; value: boolean | string } {
  const fields = text.split(',');
  const kind = fields.find((field) => field.startsWith('type='))?.slice('type='.length);
  if (kind !== 'provenance' && kind !== 'sbom') {
    throw new UsageError(`--attest ${text}: expected type=provenance or type=sbom`);
  }
  const rest = fields.filter((field) => !field.startsWith('type='));
  if (rest.some((field) => /^disabled=(?:1|t|true)$/i.test(field))) return { kind, value: false };
  const options = rest.filter((field) => !field.startsWith('disabled='));
  return { kind, value: options.length > 0 ? options.join(',') : true };
}

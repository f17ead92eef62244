import { NAMESPACE_ARG } from '@kiln/contracts';
import { parseBytes, parseDuration } from '@kiln/domain';
import { badFlag } from '../../../framework/flag-values.ts';
import { UsageError } from '../../../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Parses `KEY=VALUE`, or `KEY` for the variable of that name, which is omitted if it isn't set, as in docker. @throws UsageError */
export function buildArgs(flags: readonly string[], env: Env): Record<string, string> {
  const args: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf('=');
    if (at === 0 || flag === '') throw badFlag('--build-arg', flag, 'KEY=VALUE or KEY');
    const name = at < 0 ? flag : flag.slice(0, at);
    if (name === NAMESPACE_ARG) {
      throw new UsageError(
        `--build-arg ${name} is set by Kiln; choose caches with --repo, and who shares them with --cache-scope`,
      );
    }
    const value = at < 0 ? env[flag] : flag.slice(at + 1);
    if (value !== undefined) args[name] = value;
  }
  return args;
}

/** Parses labels `KEY=VALUE`; `KEY` alone means an empty value. */
export function labels(flags: readonly string[], name = '--label'): Record<string, string> {
  return Object.fromEntries(
    flags.map((flag) => {
      const at = flag.indexOf('=');
      if (at === 0 || flag === '') throw badFlag(name, flag, 'KEY=VALUE');
      return at < 0 ? [flag, ''] : [flag.slice(0, at), flag.slice(at + 1)];
    }),
  );
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64' };

/** Parses platforms such as `linux/amd64,arm64`, repeated or with commas. An architecture alone means Linux. */
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

/** Parses a duration such as `90s`, `20m` or `1h30m`, or a number of seconds. */
export function durationSeconds(flag: string, text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : parseDuration(text);
  if (seconds === undefined) throw badFlag(flag, text, 'a duration such as 90s, 20m or 1h30m');
  return seconds;
}

/** Parses a size such as `512m`, `2g` or `1.5GiB` into bytes, with powers of 1024 as in docker. */
export function memoryBytes(flag: string, text: string): number {
  const bytes = parseBytes(text, 1024);
  if (bytes === undefined) throw badFlag(flag, text, 'a size such as 512m or 2g');
  return bytes;
}

/** Parses `true`, `false`, or options of buildx such as `mode=max`. */
export function attestation(text: string): boolean | string {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  return text;
}

/** Parses an attestation with its options: `type=provenance,mode=max`. */
export function attestFlag(text: string): { kind: 'provenance' | 'sbom'; value: boolean | string } {
  const fields = text.split(',');
  const kind = fields.find((field) => field.startsWith('type='))?.slice('type='.length);
  if (kind !== 'provenance' && kind !== 'sbom') {
    throw badFlag('--attest', text, 'type=provenance or type=sbom');
  }
  const rest = fields.filter((field) => !field.startsWith('type='));
  if (rest.some((field) => /^disabled=(?:1|t|true)$/i.test(field))) return { kind, value: false };
  const options = rest.filter((field) => !field.startsWith('disabled='));
  return { kind, value: options.length > 0 ? options.join(',') : true };
}

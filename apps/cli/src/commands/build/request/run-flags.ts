import { type BuildRequestInput, ENTITLEMENTS } from '@kiln/contracts';
import { badFlag, listOf } from '../../../framework/flag-values.ts';
import { UsageError } from '../../../io/errors.ts';

type ExtraHosts = NonNullable<BuildRequestInput['extraHosts']>;
type Ulimits = NonNullable<NonNullable<BuildRequestInput['resources']>['ulimits']>;

/** Parses `HOST:IP` or `HOST=IP`, where an IPv6 address may be in brackets. @throws UsageError */
export function extraHosts(flags: readonly string[]): ExtraHosts {
  return flags.map((flag) => {
    const [, host = '', address = ''] = /^([^:=]+)[:=](.+)$/.exec(flag) ?? [];
    if (host === '') throw badFlag('--add-host', flag, 'HOST:IP');
    if (address === 'host-gateway') {
      throw new UsageError(
        `--add-host ${flag}: which address host-gateway stands for depends on the build's host; give the address itself`,
      );
    }
    return { host, ip: address.replace(/^\[(.*)\]$/, '$1') };
  });
}

/** Parses `NAME=SOFT[:HARD]`, where -1 means unlimited. The last one of a name counts. @throws UsageError */
export function ulimits(flags: readonly string[]): Ulimits {
  const byName = new Map<string, Ulimits[number]>();
  for (const flag of flags) {
    const [, name, soft, hard = soft] = /^([a-z]+)=(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(flag) ?? [];
    if (name === undefined) throw badFlag('--ulimit', flag, 'NAME=SOFT[:HARD], such as nofile=1024:2048');
    // The server knows the names.
    byName.set(name, { name: name as Ulimits[number]['name'], soft: Number(soft), hard: Number(hard) });
  }
  return [...byName.values()];
}

/** Parses names of stages, repeated or with commas. */
export function stages(flags: readonly string[]): string[] {
  return [...new Set(flags.flatMap((flag) => flag.split(',')).filter((name) => name !== ''))];
}

/** Reads `--network` and `--allow`, like buildx: the host's network brings its entitlement. @throws UsageError */
export function privileges(flags: {
  readonly network: string | undefined;
  readonly allow: readonly string[];
}): Pick<BuildRequestInput, 'networkMode' | 'entitlements'> {
  const { network: mode = 'default', allow } = flags;
  const asked = listOf('--allow', allow, ENTITLEMENTS);
  if (mode === 'host') return { networkMode: mode, entitlements: [...new Set([...asked, 'network.host' as const])] };
  if (mode !== 'none' && mode !== 'default' && mode !== '')
    throw new UsageError(
      `--network: network mode ${JSON.stringify(mode)} not supported by buildkit; expected default, none or host`,
    );
  return {
    ...(mode === 'none' && { networkMode: mode }),
    ...(asked.length > 0 && { entitlements: [...new Set(asked)] }),
  };
}

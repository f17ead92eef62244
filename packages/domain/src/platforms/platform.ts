/** Other names of architectures, as in containerd's `platforms` package. */
const ALIASES: Readonly<Record<string, string>> = {
  aarch64: 'arm64',
  armhf: 'arm/v7',
  armel: 'arm/v6',
  i386: '386',
  x86_64: 'amd64',
  'x86-64': 'amd64',
};
/** The variants that are meant if none is named. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { 'amd64/v1': 'amd64', 'arm64/v8': 'arm64', arm: 'arm/v7' };
/** Architectures whose programs run on processors of another one. */
const FAMILIES: Readonly<Record<string, string>> = { 386: 'amd64', arm: 'arm64' };

/** Returns the platform as BuildKit lists it: `linux/arm64` for `linux/aarch64` and `linux/arm64/v8`. */
export function normalPlatform(platform: string): string {
  const [os = '', ...rest] = platform.split('/');
  const [architecture = '', ...variant] = rest;
  const named = [ALIASES[architecture] ?? architecture, ...variant].join('/');
  return `${os}/${DEFAULT_VARIANTS[named] ?? named}`;
}

/**
 * Returns those of a host's platforms that its processor doesn't run itself. BuildKit lists its own platform first, then that of each kind of programs
 * that the kernel can start, be it by itself or through an emulator.
 */
export function emulatedPlatforms(platforms: readonly string[]): string[] {
  const [own] = platforms;
  return own === undefined ? [] : platforms.filter((platform) => familyOf(platform) !== familyOf(own));
}

function familyOf(platform: string): string {
  const [os = '', architecture = ''] = platform.split('/');
  return `${os}/${FAMILIES[architecture] ?? architecture}`;
}

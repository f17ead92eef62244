/**
 * Tells whether a command of one version fits a server of another: the same major version, and the command's minor version is not the newer one. So a
 * server that is upgraded first fits all commands in use; a newer command may send what an older server refuses. Patch and pre-release don't count.
 * Undefined if one of them isn't a version.
 */
export function fitsServer(command: string, server: string): boolean | undefined {
  const [own, other] = [partsOf(command), partsOf(server)];
  if (!own || !other) return undefined;
  return own.major === other.major && own.minor <= other.minor;
}

function partsOf(version: string): { readonly major: number; readonly minor: number } | undefined {
  const [, major, minor] = /^(\d{1,9})\.(\d{1,9})\.\d{1,9}(?:-[0-9A-Za-z.-]{1,99})?$/.exec(version) ?? [];
  return minor === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

import { TarFault } from '@kiln/trees';
import type { ToolContainer } from '../tool/tool-container.ts';

const TIMEOUT_MS = 60_000;
const BLOCK = 512;

/**
 * Collects programs with the libraries that they need below `root/`, and prints a tar of that. `ldd` prints `NAME => PATH (ADDRESS)`, and `PATH (ADDRESS)` for
 * the loader; Debian's and Alpine's print the same. `root/end` comes last: a header is never zero, so that the tar's end can be cut off.
 */
const COLLECT = `set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
root=$dir/root
mkdir -p "$root/bin" "$root/end"
chmod 755 "$dir" "$root"
for name in sh tar find mv rm rmdir mkdir wc; do
  path=$(readlink -f "$(command -v "$name")")
  cp -L "$path" "$root/bin/$name"
  ldd "$path" 2>/dev/null | sed -n -e 's/.*=> *\\(\\/[^ ]*\\) .*/\\1/p' -e 's/^[[:space:]]*\\(\\/[^ ]*\\) (.*/\\1/p' | sort -u | while read -r lib; do
    mkdir -p "$root$(dirname "$lib")"
    cp -L "$lib" "$root$lib"
  done
done
cd "$dir"
set --
for part in root/*; do
  if [ "$part" != root/end ]; then set -- "$@" "$part"; fi
done
tar -cf - --format=gnu --owner=0 --group=0 "$@" root/end
`;

/**
 * Returns entries of a tar, without its end, with the root of a container that can do nothing but read and write files with GNU's tools: those of the tool
 * container. It needs no image, which a builder of its own could only get from a registry.
 * @throws EngineError @throws Error if a program is missing
 */
export async function runRoot(tool: ToolContainer): Promise<Buffer> {
  const running = await tool.start({ argv: ['sh', '-c', COLLECT] });
  const timer = setTimeout(() => running.abandon(), TIMEOUT_MS);
  const parts: Buffer[] = [];
  let errors = '';
  for await (const { stream, data } of running.output()) {
    if (stream === 'stdout') parts.push(data);
    else errors += data.toString('utf8');
  }
  clearTimeout(timer);
  const exitCode = await running.exitCode();
  if (exitCode !== 0)
    throw new Error(`collecting the tools for snapshots: exit code ${exitCode ?? 'unknown'}: ${errors.trim()}`);
  return withoutEnd(Buffer.concat(parts));
}

/** Cuts off the zero blocks at the end of a tar whose last entry has no content. */
function withoutEnd(tar: Buffer): Buffer {
  let end = tar.length;
  while (end >= BLOCK && tar.subarray(end - BLOCK, end).every((byte) => byte === 0)) end -= BLOCK;
  if (end === 0 || end % BLOCK !== 0) throw new TarFault('a tar without entries', 'the tools for snapshots');
  return tar.subarray(0, end);
}

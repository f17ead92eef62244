import { buffer } from 'node:stream/consumers';
import { byteString, padding, readTar, type TarEntry, tarEnd, tarHeaders } from '@kiln/trees';

/** Says which images are in the archive, and their names. */
const MANIFEST = 'manifest.json';
/** These repeat the names. Without them, every engine reads the manifest. */
const NAMING: ReadonlySet<string> = new Set(['index.json', 'oci-layout', 'repositories']);

/** Returns the tar of an image, as `docker save` writes it, with these names instead of its own. @throws TarFault */
export async function* renamedArchive(
  tar: AsyncIterable<Uint8Array>,
  names: readonly string[],
): AsyncGenerator<Buffer> {
  let writtenBytes = 0;
  const counted = (chunk: Uint8Array) => {
    writtenBytes += chunk.length;
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
  };
  for await (const entry of readTar(tar)) {
    if (NAMING.has(entry.name)) continue;
    if (entry.name === MANIFEST) {
      const content = renamedManifest(await buffer(entry.content), names);
      yield counted(headersOf(entry, content.length));
      yield counted(Buffer.concat([content, padding(content.length)]));
      continue;
    }
    yield counted(headersOf(entry, entry.sizeBytes));
    if (entry.type !== 'file') continue;
    for await (const chunk of entry.content) yield counted(chunk);
    yield counted(padding(entry.sizeBytes));
  }
  yield tarEnd(writtenBytes);
}

function renamedManifest(content: Buffer, names: readonly string[]): Buffer {
  const images = JSON.parse(content.toString()) as readonly object[];
  const tags = names.length > 0 ? names.map(withTag) : null;
  return Buffer.from(JSON.stringify(images.map((image) => ({ ...image, RepoTags: tags }))));
}

/** Engines load no name without a tag. */
function withTag(name: string): string {
  return name.slice(name.lastIndexOf('/')).includes(':') ? name : `${name}:latest`;
}

function headersOf({ name, type, target, mode, mtimeNs }: TarEntry, sizeBytes: number): Buffer {
  const path = byteString(name.replace(/\/$/, ''));
  switch (type) {
    case 'file':
      return tarHeaders({ path, type, mode, sizeBytes, contentId: '', mtimeNs }, path, mtimeNs);
    case 'directory':
      return tarHeaders({ path, type, mode, contentId: '', mtimeNs }, path, mtimeNs);
    case 'symlink':
      return tarHeaders({ path, type, target: byteString(target), mtimeNs }, path, mtimeNs);
    default:
      throw new Error(`got a ${type} in an image’s archive: ${name}`);
  }
}

import type { SubmittedTimes } from '@kiln/buildkit';
import { type Digest, decodeTimes, TreePartMissing, type TreeReader } from '@kiln/trees';

/** Returns times that were uploaded with a tree, as the file `digest`. What `read` returns throws a `TreeFault` if there isn't one for each path. */
export function submittedTimes(reader: TreeReader, digest: Digest): SubmittedTimes {
  return {
    id: digest,
    async read(signal) {
      for await (const part of reader.read({ directories: [], files: [digest] }, signal)) {
        if (part.type !== 'file' || part.digest !== digest) continue;
        const chunks: Uint8Array[] = [];
        for await (const chunk of part.content) chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        return (paths) => decodeTimes(bytes, paths);
      }
      throw new TreePartMissing(digest);
    },
  };
}

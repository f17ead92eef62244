import type { SubmittedTimes } from '@kiln/buildkit';
import { type Digest, decodeTimes, TreePartMissing, type TreeReader } from '@kiln/trees';

/** Returns the times that were uploaded with a tree, as the file `digest`. */
export function submittedTimes(reader: TreeReader, digest: Digest): SubmittedTimes {
  return {
    id: digest,
    async read(paths, signal) {
      for await (const part of reader.read({ directories: [], files: [digest] }, signal)) {
        if (part.type !== 'file' || part.digest !== digest) continue;
        const chunks: Uint8Array[] = [];
        for await (const chunk of part.content) chunks.push(chunk);
        return decodeTimes(Buffer.concat(chunks), paths);
      }
      throw new TreePartMissing(digest);
    },
  };
}

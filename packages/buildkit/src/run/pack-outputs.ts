import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { byteString, padding, tarEnd, tarHeaders } from '@kiln/trees';
import type { ArtifactPipe } from './artifact-pipe.ts';

/** Writes the files of several outputs into the artifact, as a tar. Does nothing without files. */
export async function packOutputs(files: readonly string[], artifact: Pick<ArtifactPipe, 'write'>): Promise<void> {
  if (files.length === 0) return;
  let writtenBytes = 0;
  const write = async (data: Buffer) => {
    writtenBytes += data.length;
    await artifact.write(data);
  };
  for (const file of files) {
    const { size } = await stat(file);
    const path = byteString(basename(file));
    await write(tarHeaders({ path, type: 'file', mode: 0o644, sizeBytes: size, contentId: '', mtimeNs: 0n }, path, 0n));
    for await (const chunk of createReadStream(file)) await write(chunk as Buffer);
    await write(padding(size));
  }
  await write(tarEnd(writtenBytes));
}

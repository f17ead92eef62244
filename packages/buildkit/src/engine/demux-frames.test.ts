import { expect, test } from 'vitest';
import { FrameDemuxer } from './demux-frames.ts';

function frame(type: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

test('separates the two streams wherever the chunks are cut', () => {
  const bytes = Buffer.concat([frame(1, 'out1'), frame(2, 'err'), frame(1, ''), frame(2, 'é'), frame(1, 'out2')]);
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    const demuxer = new FrameDemuxer();
    const seen = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      for (const { stream, data } of demuxer.push(bytes.subarray(at, at + chunkBytes))) seen[stream].push(data);
    }
    expect(Buffer.concat(seen.stdout).toString()).toBe('out1out2');
    expect(Buffer.concat(seen.stderr).toString()).toBe('erré');
  }
});

test('passes on a part of a frame at once', () => {
  const demuxer = new FrameDemuxer();
  const bytes = frame(1, 'x'.repeat(1_000_000));
  expect(demuxer.push(bytes.subarray(0, 108)).map(({ data }) => data.length)).toEqual([100]);
});

/** Reads a streamed answer until `text` has arrived; returns everything that was read. @throws if the stream ends before */
export async function readUntil(reader: ReadableStreamDefaultReader<string>, text: string): Promise<string> {
  let read = '';
  while (!read.includes(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`got ${JSON.stringify(read)}, expected ${JSON.stringify(text)}`);
    read += value;
  }
  return read;
}

/** Reads the answer as a stream of text. */
export function textReader({ body }: Response): ReadableStreamDefaultReader<string> {
  if (!body) throw new Error('the answer has no body');
  return body.pipeThrough(new TextDecoderStream()).getReader();
}

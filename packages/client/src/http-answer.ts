import type { IncomingMessage } from 'node:http';

/** What a server answered: as much of a `Response` as the client needs. (The class itself loads all of `fetch`.) */
export interface HttpAnswer {
  readonly status: number;
  /** Returns the value of a header by its name in lower case. */
  header(name: string): string | undefined;
  /** Can be read once. Stopping early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Makes an answer of a message; `text` is its body, if that has been read. */
export function answerOf(message: IncomingMessage, text?: string): HttpAnswer {
  return {
    status: message.statusCode ?? 0,
    header: (name) => {
      const value = message.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: text === undefined ? message : encoded(text),
  };
}

/** Reads a body to its end as UTF-8. */
export async function readText({ body }: Pick<HttpAnswer, 'body'>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

async function* encoded(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

import { type IdentifiedLogRecord, logRecord, parseLogId } from '@kiln/contracts';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { parseJson, readAnswer } from './answer.ts';
import { KilnBadAnswer } from './errors.ts';

/** A record is at most a few hundred kB; a line beyond this isn't an event stream of Kiln's. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/** What came over the connection: a record, or only a sign of life. */
export type LogEvent = { readonly record: IdentifiedLogRecord } | { readonly alive: true };

/** Decodes the body of an event stream. Every chunk that brings no record is reported as `alive`. Ends where the body ends. */
export async function* logEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<LogEvent> {
  const decoder = new TextDecoder();
  const messages: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw new KilnBadAnswer('log', error.message);
    },
    maxBufferSize: MAX_EVENT_CHARS,
  });
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (messages.length === 0) yield { alive: true };
    for (const message of messages.splice(0)) yield { record: readRecord(message) };
  }
}

function readRecord({ data, id, event }: EventSourceMessage): IdentifiedLogRecord {
  const value = parseJson(data);
  if (typeof value !== 'object' || value === null) throw new KilnBadAnswer('log', `event ${event ?? ''} without JSON`);
  const { id: ownId = id, ...rest } = value as { id?: unknown };
  if (typeof ownId !== 'string' || !parseLogId(ownId)) throw new KilnBadAnswer('log', `event without id: ${data}`);
  return { ...readAnswer('log', logRecord, rest), id: ownId };
}

import { type IdentifiedLogRecord, parseLogId } from '@kiln/contracts';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { FEW, parseJson, readAnswer } from './answer.ts';
import { KilnBadAnswer } from './errors.ts';

/** A record is at most a few hundred kB; a longer line isn't part of Kiln's event stream. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;
/** From here on, compiling the schema costs less than it saves. */
const FEW_RECORDS = 256;

/** What the connection delivered: a record with its position in the log, or only a sign of life. */
export type LogEvent =
  | { readonly position: string; readonly record: IdentifiedLogRecord }
  | { readonly position?: undefined; readonly record?: undefined };

/** Decodes the body of an event stream. A chunk without a record yields an event without one. Ends when the body ends. */
export async function* logEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<LogEvent> {
  const { logRecord } = await import('./build-schemas.ts');
  const decoder = new TextDecoder();
  const messages: EventSourceMessage[] = [];
  let records = 0;
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw new KilnBadAnswer('log', error.message);
    },
    maxBufferSize: MAX_EVENT_CHARS,
  });
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (messages.length === 0) yield {};
    for (const message of messages.splice(0)) {
      records += 1;
      yield readRecord(message, logRecord, records <= FEW_RECORDS ? FEW : undefined);
    }
  }
}

function readRecord(
  { data, id: position, event }: EventSourceMessage,
  logRecord: typeof import('./build-schemas.ts').logRecord,
  how: typeof FEW | undefined,
): LogEvent {
  const value = parseJson(data);
  if (typeof value !== 'object' || value === null) throw new KilnBadAnswer('log', `event ${event ?? ''} without JSON`);
  if (position === undefined || !parseLogId(position)) throw new KilnBadAnswer('log', `event without an id: ${data}`);
  const { id: _, ...rest } = value as { id?: unknown };
  return { position, record: { ...readAnswer('log', logRecord, rest, how), id: position } };
}

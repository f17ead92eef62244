export { type ReceivedSpan, TraceReceiver } from './trace-receiver.ts';

import type {
  ConnectionStore,
  DeliveryStore,
  HookQueues,
  ReportStore,
  State,
  SubjectStore,
  WebhookStore,
} from '@kiln/state';

type Methods<T> = { readonly [K in keyof T]: T[K] };

/** The stores and queues of incoming and outgoing webhooks. */
export interface HookDeps {
  readonly connections: Methods<ConnectionStore>;
  readonly deliveries: Methods<DeliveryStore>;
  readonly subjects: Methods<SubjectStore>;
  readonly reports: Methods<ReportStore>;
  readonly webhooks: Methods<WebhookStore>;
  readonly hookQueues: Pick<
    HookQueues,
    'planDelivery' | 'planDeliveryNow' | 'reportStatus' | 'sendMessage' | 'sendMessageNow' | 'consume'
  >;
  readonly consumeEvents: State['consumeEvents'];
}

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

/** Secrets that Kiln keeps, as one build may have them: those of `names` that there are. */
export type KeptSecrets = (asked: {
  readonly team: string;
  readonly repo: string;
  readonly names: readonly string[];
}) => Promise<Readonly<Record<string, string>>>;

/** What webhooks, in and out, need beside the builds. */
export interface HookDeps {
  readonly connections: Methods<ConnectionStore>;
  readonly deliveries: Methods<DeliveryStore>;
  readonly subjects: Methods<SubjectStore>;
  readonly reports: Methods<ReportStore>;
  readonly webhooks: Methods<WebhookStore>;
  readonly hookQueues: Pick<HookQueues, 'planDelivery' | 'reportStatus' | 'sendMessage' | 'consume'>;
  readonly consumeEvents: State['consumeEvents'];
  /** Absent: Kiln keeps no secrets, and images that want one aren't built. */
  readonly keptSecrets?: KeptSecrets;
  /** How statuses and messages are sent. Default: the global `fetch`. */
  readonly outgoingFetch?: typeof fetch;
}

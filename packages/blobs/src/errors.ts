/** How long a client of the API should wait before it tries again, s. */
const RETRY_AFTER_S = 5;

/** The blob store can't be reached, asks to try later, or refuses Kiln; or it sent less than the whole blob. Trying again may help. */
export class BlobStoreUnavailable extends Error {
  readonly code = 'blob_store_unavailable';
  readonly retryAfterS = RETRY_AFTER_S;
}

/** The blob store can't be used with these settings. The message names the setting, what it holds and what is expected. */
export class BlobStoreUnfit extends Error {
  readonly code = 'blob_store_unfit';
}

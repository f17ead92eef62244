/*
 * silt: a small key-value store that keeps its data in an append-only log.
 *
 * Every write is one checksummed frame at the end of the newest segment file; an index in memory says where the
 * latest value of each key lies. Opening a store replays its segments. One process, one thread at a time.
 */
#ifndef SILT_H
#define SILT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    SILT_OK = 0,
    SILT_NOT_FOUND,
    SILT_INVALID,   /* an argument is out of bounds */
    SILT_TOO_LARGE, /* a key, value or batch exceeds its limit */
    SILT_LOCKED,    /* another process has the store open */
    SILT_CORRUPT,   /* stored data fails its checksum or can't be understood */
    SILT_IO,        /* the system refused; errno says why */
    SILT_NO_MEMORY,
    SILT_BROKEN, /* an earlier write failed half-way: close the store and open it again */
} silt_status;

const char *silt_status_text(silt_status status);

#define SILT_MAX_KEY_BYTES 4096u
#define SILT_MAX_BATCH_BYTES (64u * 1024u * 1024u)

/* Bytes that somebody else owns. */
typedef struct {
    const void *data;
    size_t size;
} silt_slice;

silt_slice silt_slice_of_text(const char *text);

/* Bytes of your own; give them back with silt_bytes_free. */
typedef struct {
    uint8_t *data;
    size_t size;
} silt_bytes;

void silt_bytes_free(silt_bytes *bytes);

typedef struct {
    /* A segment is closed, and a new one begun, once it has grown past this. */
    uint64_t segment_bytes;
    /* Wait for the disk with every write; otherwise only silt_sync and silt_close do. */
    bool sync_writes;
} silt_options;

silt_options silt_default_options(void);

typedef struct silt_store silt_store;

/* Opens the store in `directory`, which is made if it doesn't exist. A write cut short by a crash is dropped. */
silt_status silt_open(const char *directory, const silt_options *options, silt_store **store);
silt_status silt_close(silt_store *store);
silt_status silt_sync(silt_store *store);

silt_status silt_put(silt_store *store, silt_slice key, silt_slice value);
silt_status silt_delete(silt_store *store, silt_slice key);
silt_status silt_get(silt_store *store, silt_slice key, silt_bytes *value);

/* Several changes that are made together or not at all. */
typedef struct silt_batch silt_batch;

silt_status silt_batch_new(silt_batch **batch);
silt_status silt_batch_put(silt_batch *batch, silt_slice key, silt_slice value);
silt_status silt_batch_delete(silt_batch *batch, silt_slice key);
size_t silt_batch_bytes(const silt_batch *batch);
void silt_batch_clear(silt_batch *batch);
void silt_batch_free(silt_batch *batch);
silt_status silt_write(silt_store *store, const silt_batch *batch);

/* Walks the keys that start with `prefix` in byte order. It sees the keys there were when it was opened. */
typedef struct silt_cursor silt_cursor;

silt_status silt_cursor_open(silt_store *store, silt_slice prefix, silt_cursor **cursor);
/* SILT_NOT_FOUND after the last key. The key is valid until the cursor is closed. */
silt_status silt_cursor_next(silt_cursor *cursor, silt_slice *key);
void silt_cursor_close(silt_cursor *cursor);

/* Rewrites the live values into fresh segments and removes the old ones. */
silt_status silt_compact(silt_store *store);

/* Reads every live value and verifies its checksum. `bad_key`, if given, gets the first that fails. */
silt_status silt_check(silt_store *store, silt_bytes *bad_key);

typedef struct {
    uint64_t keys;
    uint64_t segments;
    uint64_t stored_bytes; /* size of all segment files */
    uint64_t live_bytes;   /* what of it current keys and values take */
} silt_stats;

silt_stats silt_get_stats(const silt_store *store);

/* `*` stands for any run of bytes, `?` for one, `[a-z]` and `[!a-z]` for one of a set; `\` takes the next literally. */
bool silt_glob_match(silt_slice pattern, silt_slice text);

#endif

#include "store.h"

#include "file.h"
#include "frame.h"
#include "lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

silt_options silt_default_options(void)
{
    return (silt_options){.segment_bytes = 32u * 1024u * 1024u, .sync_writes = true};
}

char *store_segment_path(const silt_store *store, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(number, name);
    return path_join(store->directory, name);
}

segment *store_active_segment(silt_store *store)
{
    return &store->segments[store->segment_count - 1];
}

const segment *store_find_segment(const silt_store *store, uint32_t number)
{
    size_t low = 0;
    size_t high = store->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->segments[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < store->segment_count && store->segments[low].number == number ? &store->segments[low] : NULL;
}

silt_status store_add_segment(silt_store *store, segment seg)
{
    segment *segments = realloc(store->segments, (store->segment_count + 1) * sizeof *segments);
    if (segments == NULL)
        return SILT_NO_MEMORY;
    segments[store->segment_count++] = seg;
    store->segments = segments;
    return SILT_OK;
}

silt_status store_begin_segment(silt_store *store, uint32_t number)
{
    char *path = store_segment_path(store, number);
    if (path == NULL)
        return SILT_NO_MEMORY;
    segment seg;
    silt_status status = segment_create(path, number, &seg);
    free(path);
    if (status != SILT_OK)
        return status;
    status = directory_sync(store->directory);
    if (status == SILT_OK)
        status = store_add_segment(store, seg);
    if (status != SILT_OK)
        segment_close(&seg);
    return status;
}

static uint64_t live_size(size_t key_size, uint32_t value_bytes)
{
    return key_size + value_bytes;
}

silt_status store_apply(silt_store *store, const segment *seg, uint64_t offset, silt_slice payload)
{
    size_t position = 0;
    for (;;) {
        operation op;
        silt_status status = frame_next_operation(payload, &position, &op);
        if (status == SILT_NOT_FOUND)
            return SILT_OK;
        if (status != SILT_OK)
            return status;

        location previous;
        bool had_previous;
        if (op.kind == OPERATION_PUT) {
            location where = {
                .frame_offset = offset,
                .segment = seg->number,
                .frame_bytes = (uint32_t)(FRAME_HEADER_BYTES + payload.size),
                .value_offset = op.value_offset,
                .value_bytes = (uint32_t)op.value.size,
            };
            status = index_put(&store->index, op.key, where, &had_previous, &previous);
            if (status != SILT_OK)
                return status;
            store->live_bytes += live_size(op.key.size, where.value_bytes);
        } else {
            had_previous = index_remove(&store->index, op.key, &previous);
        }
        if (had_previous)
            store->live_bytes -= live_size(op.key.size, previous.value_bytes);
    }
}

silt_status store_read_value(silt_store *store, const location *where, silt_slice *value)
{
    const segment *seg = store_find_segment(store, where->segment);
    if (seg == NULL)
        return SILT_CORRUPT;
    silt_status status = segment_read_frame(seg, where->frame_offset, &store->scratch);
    if (status != SILT_OK)
        return status;
    if (where->value_offset > store->scratch.size || where->value_bytes > store->scratch.size - where->value_offset)
        return SILT_CORRUPT;
    *value = (silt_slice){.data = store->scratch.data + where->value_offset, .size = where->value_bytes};
    return SILT_OK;
}

static void free_store(silt_store *store)
{
    for (size_t at = 0; at < store->segment_count; at++)
        segment_close(&store->segments[at]);
    free(store->segments);
    index_free(&store->index);
    buffer_free(&store->scratch);
    if (store->lock_fd >= 0)
        lock_release(store->lock_fd);
    free(store->directory);
    free(store);
}

silt_status silt_open(const char *directory, const silt_options *options, silt_store **store)
{
    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        return SILT_IO;
    silt_store *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return SILT_NO_MEMORY;
    opened->lock_fd = -1;
    opened->options = options != NULL ? *options : silt_default_options();
    opened->directory = strdup(directory);

    silt_status status = opened->directory != NULL ? SILT_OK : SILT_NO_MEMORY;
    if (status == SILT_OK)
        status = lock_acquire(directory, &opened->lock_fd);
    if (status == SILT_OK)
        status = store_recover(opened);
    if (status != SILT_OK) {
        free_store(opened);
        return status;
    }
    *store = opened;
    return SILT_OK;
}

silt_status silt_sync(silt_store *store)
{
    return file_sync(store_active_segment(store)->fd);
}

silt_status silt_close(silt_store *store)
{
    silt_status status = silt_sync(store);
    free_store(store);
    return status;
}

static silt_status write_frame(silt_store *store, silt_slice frame)
{
    if (store->broken)
        return SILT_BROKEN;

    silt_status status = SILT_OK;
    const segment *full = store_active_segment(store);
    if (full->size >= store->options.segment_bytes) {
        status = file_sync(full->fd);
        if (status == SILT_OK)
            status = store_begin_segment(store, full->number + 1);
        if (status != SILT_OK)
            return status;
    }

    segment *active = store_active_segment(store);
    uint64_t offset;
    status = segment_append(active, frame, &offset);
    if (status != SILT_OK)
        return status;
    /* After a failed sync nobody knows what is on disk, and trying again would not tell. */
    if (store->options.sync_writes)
        status = file_sync(active->fd);
    silt_slice payload = {
        .data = (const uint8_t *)frame.data + FRAME_HEADER_BYTES,
        .size = frame.size - FRAME_HEADER_BYTES,
    };
    if (status == SILT_OK)
        status = store_apply(store, active, offset, payload);
    store->broken = status != SILT_OK;
    return status;
}

silt_status silt_write(silt_store *store, const silt_batch *batch)
{
    if (silt_batch_bytes(batch) == 0)
        return SILT_OK;
    /* The header isn't part of what the caller sees of a batch, so filling it in changes nothing for them. */
    buffer frame = batch->frame;
    frame_finish(&frame);
    return write_frame(store, buffer_slice(&frame));
}

silt_status silt_put(silt_store *store, silt_slice key, silt_slice value)
{
    buffer frame = {0};
    silt_status status = frame_begin(&frame);
    if (status == SILT_OK)
        status = frame_append_put(&frame, key, value);
    if (status == SILT_OK) {
        frame_finish(&frame);
        status = write_frame(store, buffer_slice(&frame));
    }
    buffer_free(&frame);
    return status;
}

silt_status silt_delete(silt_store *store, silt_slice key)
{
    if (index_find(&store->index, key) == NULL)
        return SILT_NOT_FOUND;
    buffer frame = {0};
    silt_status status = frame_begin(&frame);
    if (status == SILT_OK)
        status = frame_append_delete(&frame, key);
    if (status == SILT_OK) {
        frame_finish(&frame);
        status = write_frame(store, buffer_slice(&frame));
    }
    buffer_free(&frame);
    return status;
}

silt_status silt_get(silt_store *store, silt_slice key, silt_bytes *value)
{
    const location *where = index_find(&store->index, key);
    if (where == NULL)
        return SILT_NOT_FOUND;
    silt_slice found;
    silt_status status = store_read_value(store, where, &found);
    if (status != SILT_OK)
        return status;
    buffer copy = {0};
    status = buffer_append(&copy, found.data, found.size);
    if (status == SILT_OK)
        *value = buffer_release(&copy);
    return status;
}

silt_stats silt_get_stats(const silt_store *store)
{
    silt_stats stats = {
        .keys = store->index.count,
        .segments = store->segment_count,
        .live_bytes = store->live_bytes,
    };
    for (size_t at = 0; at < store->segment_count; at++)
        stats.stored_bytes += store->segments[at].size;
    return stats;
}

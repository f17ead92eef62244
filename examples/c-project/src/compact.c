/*
 * Compaction writes the live values into segments numbered behind all others, under a temporary name, and renames
 * them once they are on disk. Replaying old and new ones together gives the same keys, so a crash in between does no
 * harm. The old ones go in ascending order: were a delete's segment to go before an older put's, the put would
 * come back.
 */
#include "file.h"
#include "frame.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    silt_store *store;
    segment *outputs;
    size_t output_count;
    uint32_t next_number;
    buffer frame;
} compaction;

static char *temporary_path(const silt_store *store, uint32_t number)
{
    char name[SEGMENT_NAME_BYTES + 4];
    segment_name(number, name);
    strcat(name, ".tmp");
    return path_join(store->directory, name);
}

static silt_status begin_output(compaction *run)
{
    segment *outputs = realloc(run->outputs, (run->output_count + 1) * sizeof *outputs);
    if (outputs == NULL)
        return SILT_NO_MEMORY;
    run->outputs = outputs;
    char *path = temporary_path(run->store, run->next_number);
    if (path == NULL)
        return SILT_NO_MEMORY;
    silt_status status = segment_create(path, run->next_number, &run->outputs[run->output_count]);
    free(path);
    if (status != SILT_OK)
        return status;
    run->output_count++;
    run->next_number++;
    return SILT_OK;
}

static silt_status copy_value(void *context, index_slot *slot)
{
    compaction *run = context;
    silt_slice value;
    silt_slice key = {.data = slot->key, .size = slot->key_size};
    silt_status status = store_read_value(run->store, &slot->where, &value);
    if (status == SILT_OK)
        status = frame_begin(&run->frame);
    if (status == SILT_OK)
        status = frame_append_put(&run->frame, key, value);
    if (status != SILT_OK)
        return status;
    frame_finish(&run->frame);

    if (run->output_count == 0 || run->outputs[run->output_count - 1].size >= run->store->options.segment_bytes) {
        status = begin_output(run);
        if (status != SILT_OK)
            return status;
    }
    uint64_t offset;
    return segment_append(&run->outputs[run->output_count - 1], buffer_slice(&run->frame), &offset);
}

static silt_status publish_outputs(compaction *run)
{
    silt_status status = SILT_OK;
    for (size_t at = 0; status == SILT_OK && at < run->output_count; at++)
        status = file_sync(run->outputs[at].fd);
    for (size_t at = 0; status == SILT_OK && at < run->output_count; at++) {
        char *from = temporary_path(run->store, run->outputs[at].number);
        char *to = store_segment_path(run->store, run->outputs[at].number);
        if (from == NULL || to == NULL)
            status = SILT_NO_MEMORY;
        else if (rename(from, to) != 0)
            status = SILT_IO;
        free(from);
        free(to);
    }
    return status == SILT_OK ? directory_sync(run->store->directory) : status;
}

static silt_status reindex_frame(void *context, const segment *seg, uint64_t offset, silt_slice payload)
{
    return store_apply(context, seg, offset, payload);
}

static silt_status remove_old_segments(silt_store *store, size_t count)
{
    silt_status status = SILT_OK;
    size_t removed = 0;
    for (; status == SILT_OK && removed < count; removed++) {
        char *path = store_segment_path(store, store->segments[removed].number);
        if (path == NULL)
            return SILT_NO_MEMORY;
        status = unlink(path) == 0 ? SILT_OK : SILT_IO;
        free(path);
        if (status != SILT_OK)
            break;
        segment_close(&store->segments[removed]);
    }
    memmove(store->segments, store->segments + removed, (store->segment_count - removed) * sizeof *store->segments);
    store->segment_count -= removed;
    return status == SILT_OK ? directory_sync(store->directory) : status;
}

/* Takes the outputs over and points the index at them. */
static silt_status adopt_outputs(compaction *run)
{
    silt_store *store = run->store;
    silt_status status = SILT_OK;
    size_t adopted = 0;
    for (; status == SILT_OK && adopted < run->output_count; adopted++) {
        segment seg = run->outputs[adopted];
        status = store_add_segment(store, seg);
        if (status != SILT_OK)
            break;
        uint64_t end;
        bool torn;
        status = segment_scan(&seg, reindex_frame, store, &end, &torn);
    }
    /* The rest is closed by whoever owns the run. */
    memmove(run->outputs, run->outputs + adopted, (run->output_count - adopted) * sizeof *run->outputs);
    run->output_count -= adopted;
    return status;
}

silt_status silt_compact(silt_store *store)
{
    if (store->broken)
        return SILT_BROKEN;
    size_t old_count = store->segment_count;
    compaction run = {.store = store, .next_number = store_active_segment(store)->number + 1};

    silt_status status = file_sync(store_active_segment(store)->fd);
    if (status == SILT_OK)
        status = begin_output(&run);
    if (status == SILT_OK)
        status = index_each(&store->index, copy_value, &run);
    if (status == SILT_OK) {
        status = publish_outputs(&run);
        if (status == SILT_OK)
            status = adopt_outputs(&run);
        if (status == SILT_OK)
            status = store_begin_segment(store, run.next_number);
        if (status == SILT_OK)
            status = remove_old_segments(store, old_count);
        /* Once an output has its name, a write to an older segment would be overridden by it on replay. */
        store->broken = status != SILT_OK;
    }

    for (size_t at = 0; at < run.output_count; at++)
        segment_close(&run.outputs[at]);
    free(run.outputs);
    buffer_free(&run.frame);
    return status;
}

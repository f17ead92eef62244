#include "store.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t offset; /* in the cursor's `bytes` */
    size_t size;
} key_span;

struct silt_cursor {
    silt_slice prefix; /* only while the keys are gathered */
    buffer bytes;      /* all keys, one behind the other */
    key_span *spans;
    size_t count;
    size_t capacity;
    size_t position;
};

static silt_status gather_key(void *context, index_slot *slot)
{
    silt_cursor *cursor = context;
    silt_slice prefix = cursor->prefix;
    if (slot->key_size < prefix.size)
        return SILT_OK;
    if (prefix.size > 0 && memcmp(slot->key, prefix.data, prefix.size) != 0)
        return SILT_OK;

    if (cursor->count == cursor->capacity) {
        size_t capacity = cursor->capacity > 0 ? cursor->capacity * 2 : 64;
        key_span *spans = realloc(cursor->spans, capacity * sizeof *spans);
        if (spans == NULL)
            return SILT_NO_MEMORY;
        cursor->spans = spans;
        cursor->capacity = capacity;
    }
    cursor->spans[cursor->count++] = (key_span){.offset = cursor->bytes.size, .size = slot->key_size};
    return buffer_append(&cursor->bytes, slot->key, slot->key_size);
}

static int compare_spans(const uint8_t *bytes, key_span a, key_span b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(bytes + a.offset, bytes + b.offset, shorter) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static void merge_runs(const uint8_t *bytes, const key_span *from, key_span *to, size_t middle, size_t end)
{
    size_t left = 0;
    size_t right = middle;
    for (size_t at = 0; at < end; at++) {
        bool take_left = right >= end || (left < middle && compare_spans(bytes, from[left], from[right]) <= 0);
        to[at] = from[take_left ? left++ : right++];
    }
}

/* A bottom-up merge sort: the standard qsort can't be told which bytes the spans point into. */
static silt_status sort_keys(silt_cursor *cursor)
{
    if (cursor->count < 2)
        return SILT_OK;
    key_span *other = malloc(cursor->count * sizeof *other);
    if (other == NULL)
        return SILT_NO_MEMORY;
    for (size_t width = 1; width < cursor->count; width *= 2) {
        for (size_t start = 0; start < cursor->count; start += 2 * width) {
            size_t left = cursor->count - start;
            size_t middle = width < left ? width : left;
            size_t end = 2 * width < left ? 2 * width : left;
            merge_runs(cursor->bytes.data, cursor->spans + start, other + start, middle, end);
        }
        key_span *sorted = other;
        other = cursor->spans;
        cursor->spans = sorted;
    }
    free(other);
    return SILT_OK;
}

silt_status silt_cursor_open(silt_store *store, silt_slice prefix, silt_cursor **cursor)
{
    silt_cursor *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return SILT_NO_MEMORY;
    opened->prefix = prefix;
    silt_status status = index_each(&store->index, gather_key, opened);
    if (status == SILT_OK)
        status = sort_keys(opened);
    opened->prefix = (silt_slice){0};
    if (status != SILT_OK) {
        silt_cursor_close(opened);
        return status;
    }
    *cursor = opened;
    return SILT_OK;
}

silt_status silt_cursor_next(silt_cursor *cursor, silt_slice *key)
{
    if (cursor->position == cursor->count)
        return SILT_NOT_FOUND;
    key_span span = cursor->spans[cursor->position++];
    *key = (silt_slice){.data = cursor->bytes.data + span.offset, .size = span.size};
    return SILT_OK;
}

void silt_cursor_close(silt_cursor *cursor)
{
    if (cursor == NULL)
        return;
    buffer_free(&cursor->bytes);
    free(cursor->spans);
    free(cursor);
}

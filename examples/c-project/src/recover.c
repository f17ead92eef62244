#include "file.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    uint32_t *numbers;
    size_t count;
    size_t capacity;
} number_list;

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static silt_status list_push(number_list *list, uint32_t number)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        uint32_t *numbers = realloc(list->numbers, capacity * sizeof *numbers);
        if (numbers == NULL)
            return SILT_NO_MEMORY;
        list->numbers = numbers;
        list->capacity = capacity;
    }
    list->numbers[list->count++] = number;
    return SILT_OK;
}

/* A compaction that didn't finish leaves these behind; nothing refers to them. */
static silt_status remove_unfinished(const char *directory, const char *name)
{
    char *path = path_join(directory, name);
    if (path == NULL)
        return SILT_NO_MEMORY;
    silt_status status = unlink(path) == 0 ? SILT_OK : SILT_IO;
    free(path);
    return status;
}

static bool is_unfinished(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, ".tmp") == 0;
}

static silt_status list_segments(const char *directory, number_list *list)
{
    DIR *stream = opendir(directory);
    if (stream == NULL)
        return SILT_IO;
    silt_status status = SILT_OK;
    while (status == SILT_OK) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            status = errno == 0 ? SILT_OK : SILT_IO;
            break;
        }
        uint32_t number;
        if (segment_number(entry->d_name, &number))
            status = list_push(list, number);
        else if (is_unfinished(entry->d_name))
            status = remove_unfinished(directory, entry->d_name);
    }
    closedir(stream);
    if (list->count > 0)
        qsort(list->numbers, list->count, sizeof *list->numbers, compare_numbers);
    return status;
}

static silt_status apply_frame(void *context, const segment *seg, uint64_t offset, silt_slice payload)
{
    return store_apply(context, seg, offset, payload);
}

static silt_status replay(silt_store *store, uint32_t number, bool newest)
{
    char *path = store_segment_path(store, number);
    if (path == NULL)
        return SILT_NO_MEMORY;
    segment seg;
    silt_status status = segment_open(path, number, &seg);
    free(path);
    if (status != SILT_OK)
        return status;

    uint64_t end;
    bool torn;
    status = segment_scan(&seg, apply_frame, store, &end, &torn);
    /* Only the newest segment is ever appended to, so only there can a write have been cut short. */
    if (status == SILT_CORRUPT && torn && newest)
        status = segment_truncate(&seg, end);
    if (status == SILT_OK)
        status = store_add_segment(store, seg);
    if (status != SILT_OK)
        segment_close(&seg);
    return status;
}

silt_status store_recover(silt_store *store)
{
    number_list list = {0};
    silt_status status = list_segments(store->directory, &list);
    for (size_t at = 0; status == SILT_OK && at < list.count; at++)
        status = replay(store, list.numbers[at], at + 1 == list.count);
    if (status == SILT_OK && list.count == 0)
        status = store_begin_segment(store, 1);
    free(list.numbers);
    return status;
}

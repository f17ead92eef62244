#include "segment.h"
#include "test.h"

silt_slice text(const char *characters)
{
    return silt_slice_of_text(characters);
}

bool slice_equals(silt_slice slice, const char *expected)
{
    return slice.size == strlen(expected) && (slice.size == 0 || memcmp(slice.data, expected, slice.size) == 0);
}

silt_store *test_open(uint64_t segment_bytes)
{
    silt_options options = {.segment_bytes = segment_bytes, .sync_writes = false};
    silt_store *store;
    CHECK_OK(silt_open(test_directory(), &options, &store));
    return store;
}

void test_put(silt_store *store, const char *key, const char *value)
{
    CHECK_OK(silt_put(store, text(key), text(value)));
}

bool test_has(silt_store *store, const char *key, const char *value)
{
    silt_bytes found;
    if (silt_get(store, text(key), &found) != SILT_OK)
        return false;
    bool equal = slice_equals((silt_slice){.data = found.data, .size = found.size}, value);
    silt_bytes_free(&found);
    return equal;
}

bool test_lacks(silt_store *store, const char *key)
{
    silt_bytes found;
    silt_status status = silt_get(store, text(key), &found);
    if (status == SILT_OK)
        silt_bytes_free(&found);
    return status == SILT_NOT_FOUND;
}

const char *test_segment_path(unsigned number)
{
    static char path[128];
    char name[SEGMENT_NAME_BYTES];
    segment_name(number, name);
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    return path;
}

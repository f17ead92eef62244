#include "store.h"

typedef struct {
    silt_store *store;
    silt_bytes *bad_key;
} check;

static silt_status check_value(void *context, index_slot *slot)
{
    check *run = context;
    silt_slice value;
    silt_status status = store_read_value(run->store, &slot->where, &value);
    if (status == SILT_OK || run->bad_key == NULL)
        return status;
    buffer key = {0};
    if (buffer_append(&key, slot->key, slot->key_size) == SILT_OK)
        *run->bad_key = buffer_release(&key);
    return status;
}

silt_status silt_check(silt_store *store, silt_bytes *bad_key)
{
    check run = {.store = store, .bad_key = bad_key};
    return index_each(&store->index, check_value, &run);
}

#include "frame.h"
#include "store.h"

#include <stdlib.h>

silt_status silt_batch_new(silt_batch **batch)
{
    silt_batch *created = calloc(1, sizeof *created);
    if (created == NULL)
        return SILT_NO_MEMORY;
    silt_status status = frame_begin(&created->frame);
    if (status != SILT_OK) {
        free(created);
        return status;
    }
    *batch = created;
    return SILT_OK;
}

silt_status silt_batch_put(silt_batch *batch, silt_slice key, silt_slice value)
{
    return frame_append_put(&batch->frame, key, value);
}

silt_status silt_batch_delete(silt_batch *batch, silt_slice key)
{
    return frame_append_delete(&batch->frame, key);
}

size_t silt_batch_bytes(const silt_batch *batch)
{
    return batch->frame.size - FRAME_HEADER_BYTES;
}

void silt_batch_clear(silt_batch *batch)
{
    batch->frame.size = FRAME_HEADER_BYTES;
}

void silt_batch_free(silt_batch *batch)
{
    if (batch == NULL)
        return;
    buffer_free(&batch->frame);
    free(batch);
}

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

silt_status buffer_reserve(buffer *buf, size_t extra)
{
    if (extra <= buf->capacity - buf->size)
        return SILT_OK;
    if (extra > SIZE_MAX / 2 - buf->size)
        return SILT_NO_MEMORY;

    size_t capacity = buf->capacity > 0 ? buf->capacity : FIRST_CAPACITY;
    while (capacity < buf->size + extra)
        capacity *= 2;
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL)
        return SILT_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return SILT_OK;
}

silt_status buffer_append(buffer *buf, const void *data, size_t size)
{
    if (size == 0)
        return SILT_OK;
    silt_status status = buffer_reserve(buf, size);
    if (status != SILT_OK)
        return status;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return SILT_OK;
}

silt_status buffer_append_byte(buffer *buf, uint8_t byte)
{
    return buffer_append(buf, &byte, 1);
}

silt_status buffer_append_text(buffer *buf, const char *text)
{
    return buffer_append(buf, text, strlen(text));
}

silt_bytes buffer_release(buffer *buf)
{
    silt_bytes bytes = {.data = buf->data, .size = buf->size};
    *buf = (buffer){0};
    return bytes;
}

silt_slice buffer_slice(const buffer *buf)
{
    return (silt_slice){.data = buf->data, .size = buf->size};
}

void buffer_clear(buffer *buf)
{
    buf->size = 0;
}

void buffer_free(buffer *buf)
{
    free(buf->data);
    *buf = (buffer){0};
}

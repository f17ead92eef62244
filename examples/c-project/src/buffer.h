#ifndef SILT_BUFFER_H
#define SILT_BUFFER_H

#include "silt/silt.h"

/* Bytes that grow at the end. All zero is a valid, empty buffer. */
typedef struct {
    uint8_t *data;
    size_t size;
    size_t capacity;
} buffer;

silt_status buffer_reserve(buffer *buf, size_t extra);
silt_status buffer_append(buffer *buf, const void *data, size_t size);
silt_status buffer_append_byte(buffer *buf, uint8_t byte);
silt_status buffer_append_text(buffer *buf, const char *text);

/* Hands the bytes over; the buffer is empty afterwards. */
silt_bytes buffer_release(buffer *buf);
silt_slice buffer_slice(const buffer *buf);
void buffer_clear(buffer *buf);
void buffer_free(buffer *buf);

#endif

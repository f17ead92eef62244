/*
 * A frame is what one write puts on disk:
 *
 *     checksum of the payload   4 bytes, little endian
 *     size of the payload       4 bytes, little endian, never 0
 *     payload                   one or more operations
 *
 * An operation is its kind (1 byte), the key's size (varint) and bytes, and for a put the value's size and bytes.
 */
#ifndef SILT_FRAME_H
#define SILT_FRAME_H

#include "buffer.h"

enum { FRAME_HEADER_BYTES = 8 };

typedef enum { OPERATION_PUT = 1, OPERATION_DELETE = 2 } operation_kind;

typedef struct {
    operation_kind kind;
    silt_slice key;
    silt_slice value;      /* empty for a delete */
    uint32_t value_offset; /* in the payload */
    uint32_t bytes;        /* what the operation takes in the payload */
} operation;

/* Sets room for the header aside; operations are appended behind it. */
silt_status frame_begin(buffer *frame);
silt_status frame_append_put(buffer *frame, silt_slice key, silt_slice value);
silt_status frame_append_delete(buffer *frame, silt_slice key);
/* Fills the header in. */
void frame_finish(buffer *frame);

uint32_t frame_header_checksum(const uint8_t header[FRAME_HEADER_BYTES]);
uint32_t frame_header_payload_bytes(const uint8_t header[FRAME_HEADER_BYTES]);

/* Reads the operation at *position and moves behind it. SILT_NOT_FOUND at the payload's end. */
silt_status frame_next_operation(silt_slice payload, size_t *position, operation *out);

#endif

#ifndef SILT_VARINT_H
#define SILT_VARINT_H

#include "buffer.h"

enum { VARINT_MAX_BYTES = 5 };

/* Seven bits a byte, lowest first; the high bit says that more follow. */
silt_status varint_append(buffer *buf, uint32_t value);
size_t varint_size(uint32_t value);

/* Reads a value at *position and moves behind it. False, and nothing moved, if there is none within `size`. */
bool varint_read(const uint8_t *data, size_t size, size_t *position, uint32_t *value);

#endif

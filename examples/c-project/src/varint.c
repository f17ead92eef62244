#include "varint.h"

silt_status varint_append(buffer *buf, uint32_t value)
{
    uint8_t bytes[VARINT_MAX_BYTES];
    size_t count = 0;
    while (value >= 0x80u) {
        bytes[count++] = (uint8_t)(value | 0x80u);
        value >>= 7;
    }
    bytes[count++] = (uint8_t)value;
    return buffer_append(buf, bytes, count);
}

size_t varint_size(uint32_t value)
{
    size_t count = 1;
    for (; value >= 0x80u; value >>= 7)
        count++;
    return count;
}

bool varint_read(const uint8_t *data, size_t size, size_t *position, uint32_t *value)
{
    uint64_t result = 0;
    size_t at = *position;
    for (unsigned shift = 0; shift < 7 * VARINT_MAX_BYTES; shift += 7) {
        if (at >= size)
            return false;
        uint8_t byte = data[at++];
        result |= (uint64_t)(byte & 0x7fu) << shift;
        if ((byte & 0x80u) == 0) {
            if (result > UINT32_MAX)
                return false;
            *position = at;
            *value = (uint32_t)result;
            return true;
        }
    }
    return false;
}

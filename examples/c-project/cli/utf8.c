#include "utf8.h"

/* Length of the sequence a byte begins, or 0 if none begins with it; `lowest` is the first code point of that length. */
static size_t sequence_size(uint8_t first, uint32_t *lowest)
{
    if (first < 0x80u) {
        *lowest = 0;
        return 1;
    }
    if (first >= 0xc2u && first < 0xe0u) {
        *lowest = 0x80u;
        return 2;
    }
    if (first >= 0xe0u && first < 0xf0u) {
        *lowest = 0x800u;
        return 3;
    }
    if (first >= 0xf0u && first < 0xf5u) {
        *lowest = 0x10000u;
        return 4;
    }
    return 0;
}

bool utf8_is_valid(silt_slice text)
{
    const uint8_t *data = text.data;
    size_t at = 0;
    while (at < text.size) {
        uint32_t lowest;
        size_t size = sequence_size(data[at], &lowest);
        if (size == 0 || size > text.size - at)
            return false;
        uint32_t code_point = size == 1 ? data[at] : data[at] & (0xffu >> (size + 1));
        for (size_t follow = 1; follow < size; follow++) {
            uint8_t byte = data[at + follow];
            if ((byte & 0xc0u) != 0x80u)
                return false;
            code_point = code_point << 6 | (byte & 0x3fu);
        }
        if (code_point < lowest || code_point > 0x10ffffu || (code_point >= 0xd800u && code_point < 0xe000u))
            return false;
        at += size;
    }
    return true;
}

silt_status utf8_append(buffer *buf, uint32_t code_point)
{
    if (code_point < 0x80u)
        return buffer_append_byte(buf, (uint8_t)code_point);

    uint8_t bytes[4];
    size_t size = code_point < 0x800u ? 2 : code_point < 0x10000u ? 3 : 4;
    for (size_t at = size - 1; at > 0; at--) {
        bytes[at] = (uint8_t)(0x80u | (code_point & 0x3fu));
        code_point >>= 6;
    }
    static const uint8_t markers[] = {0, 0, 0xc0u, 0xe0u, 0xf0u};
    bytes[0] = (uint8_t)(markers[size] | code_point);
    return buffer_append(buf, bytes, size);
}

#include "json.h"

#include <stdio.h>

static silt_status append_escaped(buffer *buf, uint8_t byte)
{
    switch (byte) {
    case '"':
        return buffer_append_text(buf, "\\\"");
    case '\\':
        return buffer_append_text(buf, "\\\\");
    case '\n':
        return buffer_append_text(buf, "\\n");
    case '\r':
        return buffer_append_text(buf, "\\r");
    case '\t':
        return buffer_append_text(buf, "\\t");
    default:
        break;
    }
    if (byte >= 0x20u)
        return buffer_append_byte(buf, byte);
    char escape[sizeof "\\u0000"];
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned)byte);
    return buffer_append_text(buf, escape);
}

silt_status json_append_string(buffer *buf, silt_slice text)
{
    const uint8_t *data = text.data;
    silt_status status = buffer_append_byte(buf, '"');
    for (size_t at = 0; status == SILT_OK && at < text.size; at++)
        status = append_escaped(buf, data[at]);
    return status == SILT_OK ? buffer_append_byte(buf, '"') : status;
}

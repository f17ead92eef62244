#include "read_all.h"

enum { CHUNK_BYTES = 64 * 1024 };

silt_status read_all(FILE *stream, buffer *out)
{
    for (;;) {
        silt_status status = buffer_reserve(out, CHUNK_BYTES);
        if (status != SILT_OK)
            return status;
        size_t count = fread(out->data + out->size, 1, CHUNK_BYTES, stream);
        out->size += count;
        if (count < CHUNK_BYTES)
            return ferror(stream) ? SILT_IO : SILT_OK;
    }
}

silt_status read_line(FILE *stream, buffer *line)
{
    buffer_clear(line);
    for (int character = getc(stream); character != EOF; character = getc(stream)) {
        if (character == '\n')
            return SILT_OK;
        silt_status status = buffer_append_byte(line, (uint8_t)character);
        if (status != SILT_OK)
            return status;
    }
    if (ferror(stream))
        return SILT_IO;
    return line->size > 0 ? SILT_OK : SILT_NOT_FOUND;
}

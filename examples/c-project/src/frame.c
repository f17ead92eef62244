#include "frame.h"

#include "crc32c.h"
#include "varint.h"

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++)
        at[byte] = (uint8_t)(value >> (8 * byte));
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value = 0;
    for (unsigned byte = 0; byte < 4; byte++)
        value |= (uint32_t)at[byte] << (8 * byte);
    return value;
}

silt_status frame_begin(buffer *frame)
{
    static const uint8_t header[FRAME_HEADER_BYTES];
    buffer_clear(frame);
    return buffer_append(frame, header, sizeof header);
}

static silt_status check_size(const buffer *frame, silt_slice key, size_t value_size)
{
    if (key.size > SILT_MAX_KEY_BYTES || value_size > SILT_MAX_BATCH_BYTES)
        return SILT_TOO_LARGE;
    size_t needed = 1 + 2 * (size_t)VARINT_MAX_BYTES + key.size + value_size;
    return frame->size + needed > SILT_MAX_BATCH_BYTES ? SILT_TOO_LARGE : SILT_OK;
}

static silt_status append_sized(buffer *frame, silt_slice bytes)
{
    silt_status status = varint_append(frame, (uint32_t)bytes.size);
    return status == SILT_OK ? buffer_append(frame, bytes.data, bytes.size) : status;
}

/* Appends all of the operation or nothing. `value` is NULL for a delete. */
static silt_status append_operation(buffer *frame, operation_kind kind, silt_slice key, const silt_slice *value)
{
    silt_status status = check_size(frame, key, value != NULL ? value->size : 0);
    if (status != SILT_OK)
        return status;

    size_t before = frame->size;
    status = buffer_append_byte(frame, (uint8_t)kind);
    if (status == SILT_OK)
        status = append_sized(frame, key);
    if (status == SILT_OK && value != NULL)
        status = append_sized(frame, *value);
    if (status != SILT_OK)
        frame->size = before;
    return status;
}

silt_status frame_append_put(buffer *frame, silt_slice key, silt_slice value)
{
    return append_operation(frame, OPERATION_PUT, key, &value);
}

silt_status frame_append_delete(buffer *frame, silt_slice key)
{
    return append_operation(frame, OPERATION_DELETE, key, NULL);
}

void frame_finish(buffer *frame)
{
    const uint8_t *payload = frame->data + FRAME_HEADER_BYTES;
    size_t size = frame->size - FRAME_HEADER_BYTES;
    put_u32(frame->data, crc32c(payload, size));
    put_u32(frame->data + 4, (uint32_t)size);
}

uint32_t frame_header_checksum(const uint8_t header[FRAME_HEADER_BYTES])
{
    return get_u32(header);
}

uint32_t frame_header_payload_bytes(const uint8_t header[FRAME_HEADER_BYTES])
{
    return get_u32(header + 4);
}

static bool read_sized(silt_slice payload, size_t *position, silt_slice *out)
{
    const uint8_t *data = payload.data;
    uint32_t size;
    if (!varint_read(data, payload.size, position, &size) || size > payload.size - *position)
        return false;
    *out = (silt_slice){.data = data + *position, .size = size};
    *position += size;
    return true;
}

silt_status frame_next_operation(silt_slice payload, size_t *position, operation *out)
{
    const uint8_t *data = payload.data;
    size_t start = *position;
    if (start >= payload.size)
        return SILT_NOT_FOUND;

    size_t at = start + 1;
    operation found = {.kind = (operation_kind)data[start]};
    if (found.kind != OPERATION_PUT && found.kind != OPERATION_DELETE)
        return SILT_CORRUPT;
    if (!read_sized(payload, &at, &found.key) || found.key.size > SILT_MAX_KEY_BYTES)
        return SILT_CORRUPT;
    if (found.kind == OPERATION_PUT && !read_sized(payload, &at, &found.value))
        return SILT_CORRUPT;
    found.value_offset = (uint32_t)(at - found.value.size);
    found.bytes = (uint32_t)(at - start);
    *out = found;
    *position = at;
    return SILT_OK;
}

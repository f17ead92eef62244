#include "segment.h"

#include "crc32c.h"
#include "file.h"
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t magic[SEGMENT_MAGIC_BYTES] = {'S', 'I', 'L', 'T', 'L', 'O', 'G', '1'};

void segment_name(uint32_t number, char name[SEGMENT_NAME_BYTES])
{
    snprintf(name, SEGMENT_NAME_BYTES, "%010" PRIu32 ".silt", number);
}

bool segment_number(const char *name, uint32_t *number)
{
    char expected[SEGMENT_NAME_BYTES];
    if (sscanf(name, "%10" SCNu32, number) != 1)
        return false;
    segment_name(*number, expected);
    return strcmp(name, expected) == 0;
}

silt_status segment_create(const char *path, uint32_t number, segment *out)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return SILT_IO;
    silt_status status = file_write_at(fd, magic, sizeof magic, 0);
    if (status != SILT_OK) {
        close(fd);
        return status;
    }
    *out = (segment){.number = number, .fd = fd, .size = sizeof magic};
    return SILT_OK;
}

silt_status segment_open(const char *path, uint32_t number, segment *out)
{
    segment opened = {.number = number, .fd = open(path, O_RDWR | O_CLOEXEC)};
    if (opened.fd < 0)
        return SILT_IO;

    silt_status status = file_size(opened.fd, &opened.size);
    if (status == SILT_OK && opened.size < sizeof magic) {
        /* Cut short between its creation and its first frame. */
        status = file_write_at(opened.fd, magic, sizeof magic, 0);
        opened.size = sizeof magic;
    }
    uint8_t found[SEGMENT_MAGIC_BYTES];
    if (status == SILT_OK)
        status = file_read_at(opened.fd, found, sizeof found, 0);
    if (status == SILT_OK && memcmp(found, magic, sizeof magic) != 0)
        status = SILT_CORRUPT;
    if (status != SILT_OK) {
        close(opened.fd);
        return status;
    }
    *out = opened;
    return SILT_OK;
}

void segment_close(segment *seg)
{
    close(seg->fd);
    seg->fd = -1;
}

silt_status segment_append(segment *seg, silt_slice frame, uint64_t *offset)
{
    silt_status status = file_write_at(seg->fd, frame.data, frame.size, seg->size);
    if (status != SILT_OK) {
        /* What was written of it lies behind the segment's end; should this fail too, recovery finds it torn. */
        int cause = errno;
        (void)!ftruncate(seg->fd, (off_t)seg->size);
        errno = cause;
        return status;
    }
    *offset = seg->size;
    seg->size += frame.size;
    return SILT_OK;
}

silt_status segment_read_frame(const segment *seg, uint64_t offset, buffer *payload)
{
    buffer_clear(payload);
    if (offset > seg->size || seg->size - offset < FRAME_HEADER_BYTES)
        return SILT_CORRUPT;
    uint8_t header[FRAME_HEADER_BYTES];
    silt_status status = file_read_at(seg->fd, header, sizeof header, offset);
    if (status != SILT_OK)
        return status;

    uint32_t size = frame_header_payload_bytes(header);
    if (size == 0 || size > seg->size - offset - FRAME_HEADER_BYTES)
        return SILT_CORRUPT;
    status = buffer_reserve(payload, size);
    if (status == SILT_OK)
        status = file_read_at(seg->fd, payload->data, size, offset + FRAME_HEADER_BYTES);
    if (status != SILT_OK)
        return status;
    payload->size = size;
    return crc32c(payload->data, size) == frame_header_checksum(header) ? SILT_OK : SILT_CORRUPT;
}

silt_status segment_truncate(segment *seg, uint64_t size)
{
    if (ftruncate(seg->fd, (off_t)size) != 0)
        return SILT_IO;
    seg->size = size;
    return file_sync(seg->fd);
}

/* Some file systems lengthen a file before its data are there, and show zeros after a crash. */
static silt_status rest_is_zero(const segment *seg, uint64_t offset, bool *zero)
{
    uint8_t chunk[4096];
    *zero = true;
    while (*zero && offset < seg->size) {
        size_t size = seg->size - offset < sizeof chunk ? (size_t)(seg->size - offset) : sizeof chunk;
        silt_status status = file_read_at(seg->fd, chunk, size, offset);
        if (status != SILT_OK)
            return status;
        for (size_t at = 0; at < size; at++)
            *zero = *zero && chunk[at] == 0;
        offset += size;
    }
    return SILT_OK;
}

static silt_status is_torn(const segment *seg, uint64_t offset, bool *torn)
{
    uint8_t header[FRAME_HEADER_BYTES];
    if (seg->size - offset < sizeof header) {
        *torn = true;
        return SILT_OK;
    }
    silt_status status = file_read_at(seg->fd, header, sizeof header, offset);
    if (status != SILT_OK)
        return status;
    if (frame_header_payload_bytes(header) == 0)
        return rest_is_zero(seg, offset, torn);
    /* A frame that ends before the file does had others written behind it: then this isn't a cut, but damage. */
    *torn = frame_header_payload_bytes(header) >= seg->size - offset - FRAME_HEADER_BYTES;
    return SILT_OK;
}

silt_status segment_scan(const segment *seg, frame_visitor visit, void *context, uint64_t *end, bool *torn)
{
    buffer payload = {0};
    silt_status status = SILT_OK;
    uint64_t offset = SEGMENT_MAGIC_BYTES;
    *torn = false;
    while (status == SILT_OK && offset < seg->size) {
        status = segment_read_frame(seg, offset, &payload);
        if (status == SILT_CORRUPT) {
            silt_status looked = is_torn(seg, offset, torn);
            status = looked == SILT_OK ? SILT_CORRUPT : looked;
        }
        if (status == SILT_OK)
            status = visit(context, seg, offset, buffer_slice(&payload));
        if (status == SILT_OK)
            offset += FRAME_HEADER_BYTES + payload.size;
    }
    *end = offset;
    buffer_free(&payload);
    return status;
}

#include "crc32c.h"
#include "frame.h"
#include "test.h"

static silt_slice payload_of(const buffer *frame)
{
    return (silt_slice){.data = frame->data + FRAME_HEADER_BYTES, .size = frame->size - FRAME_HEADER_BYTES};
}

static void reads_back_its_operations(void)
{
    buffer frame = {0};
    CHECK_OK(frame_begin(&frame));
    CHECK_OK(frame_append_put(&frame, text("colour"), text("green")));
    CHECK_OK(frame_append_delete(&frame, text("size")));
    CHECK_OK(frame_append_put(&frame, text("empty"), text("")));
    frame_finish(&frame);

    silt_slice payload = payload_of(&frame);
    CHECK(frame_header_payload_bytes(frame.data) == payload.size);
    CHECK(frame_header_checksum(frame.data) == crc32c(payload.data, payload.size));

    size_t position = 0;
    operation op;
    CHECK_OK(frame_next_operation(payload, &position, &op));
    CHECK(op.kind == OPERATION_PUT && slice_equals(op.key, "colour") && slice_equals(op.value, "green"));
    CHECK(memcmp((const uint8_t *)payload.data + op.value_offset, "green", 5) == 0);
    CHECK_OK(frame_next_operation(payload, &position, &op));
    CHECK(op.kind == OPERATION_DELETE && slice_equals(op.key, "size"));
    CHECK_OK(frame_next_operation(payload, &position, &op));
    CHECK(op.kind == OPERATION_PUT && slice_equals(op.key, "empty") && op.value.size == 0);
    CHECK(frame_next_operation(payload, &position, &op) == SILT_NOT_FOUND);
    buffer_free(&frame);
}

static void refuses_keys_too_long(void)
{
    static char key[SILT_MAX_KEY_BYTES + 1];
    buffer frame = {0};
    CHECK_OK(frame_begin(&frame));
    CHECK(frame_append_delete(&frame, (silt_slice){.data = key, .size = sizeof key}) == SILT_TOO_LARGE);
    CHECK(frame.size == FRAME_HEADER_BYTES);
    buffer_free(&frame);
}

/* Whatever is cut off or changed: an answer, never a read outside (the sanitizer watches). */
static void survives_damage(void)
{
    buffer frame = {0};
    CHECK_OK(frame_begin(&frame));
    CHECK_OK(frame_append_put(&frame, text("key"), text("value")));
    CHECK_OK(frame_append_delete(&frame, text("other")));
    silt_slice payload = payload_of(&frame);

    for (size_t size = 0; size < payload.size; size++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            /* A copy of just that size, so that reading past it is noticed. */
            uint8_t *copy = malloc(size + 1);
            CHECK(copy != NULL);
            memcpy(copy, payload.data, size);
            copy[size] = (uint8_t)byte;
            size_t position = 0;
            operation op;
            silt_status status;
            do {
                status = frame_next_operation((silt_slice){.data = copy, .size = size + 1}, &position, &op);
            } while (status == SILT_OK);
            CHECK(status == SILT_NOT_FOUND || status == SILT_CORRUPT);
            free(copy);
        }
    }
    buffer_free(&frame);
}

SUITE(frame, {"reads back its operations", reads_back_its_operations}, {"refuses keys too long", refuses_keys_too_long},
      {"survives damage", survives_damage});

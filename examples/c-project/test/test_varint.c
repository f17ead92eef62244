#include "test.h"
#include "varint.h"

static void round_trips(void)
{
    static const uint32_t values[] = {0, 1, 127, 128, 300, 16383, 16384, 2097151, 2097152, 268435456, UINT32_MAX};
    for (size_t at = 0; at < sizeof values / sizeof values[0]; at++) {
        buffer buf = {0};
        CHECK_OK(varint_append(&buf, values[at]));
        CHECK(buf.size == varint_size(values[at]));
        size_t position = 0;
        uint32_t value;
        CHECK(varint_read(buf.data, buf.size, &position, &value));
        CHECK(value == values[at] && position == buf.size);
        buffer_free(&buf);
    }
}

static void refuses_what_is_cut_short(void)
{
    static const uint8_t data[] = {0x80, 0x80};
    size_t position = 0;
    uint32_t value;
    CHECK(!varint_read(data, sizeof data, &position, &value));
    CHECK(position == 0);
}

static void refuses_what_is_too_large(void)
{
    static const uint8_t above[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    static const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    size_t position = 0;
    uint32_t value;
    CHECK(!varint_read(above, sizeof above, &position, &value));
    CHECK(!varint_read(endless, sizeof endless, &position, &value));
}

SUITE(varint, {"round trips", round_trips}, {"refuses what is cut short", refuses_what_is_cut_short},
      {"refuses what is too large", refuses_what_is_too_large});

#include "../cli/base64.h"
#include "../cli/entry.h"
#include "../cli/utf8.h"
#include "test.h"

static void expect_round_trip(silt_slice key, silt_slice value)
{
    buffer line = {0};
    entry parsed = {0};
    size_t at;
    CHECK_OK(entry_append(&line, key, value));
    CHECK(memchr(line.data, '\n', line.size - 1) == NULL);
    CHECK_OK(entry_read(buffer_slice(&line), &parsed, &at));
    CHECK(parsed.key.size == key.size && memcmp(parsed.key.data, key.data, key.size) == 0);
    CHECK(parsed.value.size == value.size);
    CHECK(value.size == 0 || memcmp(parsed.value.data, value.data, value.size) == 0);
    entry_free(&parsed);
    buffer_free(&line);
}

static void entries_round_trip(void)
{
    expect_round_trip(text("plain"), text("text"));
    expect_round_trip(text("quotes \" and \\ and \n"), text("\x01\t\x1f"));
    expect_round_trip(text("gr\xc3\xbc\xc3\x9f"), text("\xf0\x9f\x8c\x8a"));
    expect_round_trip(text("not text"), text("\xff\xfe\x80"));
    expect_round_trip(text("nothing"), text(""));
    for (size_t size = 1; size < 8; size++)
        expect_round_trip(text("sizes"), (silt_slice){.data = "\xff\x00\x7f\x80\x01\xc0\xee", .size = size});
}

static silt_status read_text(const char *line, entry *parsed)
{
    size_t at;
    return entry_read(text(line), parsed, &at);
}

static void reads_what_others_write(void)
{
    entry parsed = {0};
    CHECK_OK(read_text(" { \"value\" : \"a\\/b\\u00e9\\ud83c\\udf0a\" , \"key\" : \"k\" } ", &parsed));
    CHECK(slice_equals(buffer_slice(&parsed.key), "k"));
    CHECK(slice_equals(buffer_slice(&parsed.value), "a/b\xc3\xa9\xf0\x9f\x8c\x8a"));
    entry_free(&parsed);
}

static void refuses_what_is_no_entry(void)
{
    static const char *const lines[] = {
        "",
        "{}",
        "[]",
        "{\"key\":\"a\"}",
        "{\"key\":\"a\",\"value\":1}",
        "{\"key\":\"a\",\"value\":\"b\"",
        "{\"key\":\"a\",\"value\":\"b\"} x",
        "{\"key\":\"a\",\"value\":\"b\",}",
        "{\"key\":\"a\",\"key\":\"b\",\"value\":\"c\"}",
        "{\"key\":\"a\",\"value\":\"\\ud83c\"}",
        "{\"key\":\"a\",\"value\":\"\\x\"}",
        "{\"key\":\"a\",\"value64\":\"abc\"}",
        "{\"key\":\"a\",\"value64\":\"a?==\"}",
        "{\"key\":\"a\",\"value\":\"\xff\"}",
    };
    entry parsed = {0};
    for (size_t at = 0; at < sizeof lines / sizeof lines[0]; at++)
        CHECK(read_text(lines[at], &parsed) == SILT_INVALID);
    entry_free(&parsed);
}

static void tells_utf8_from_other_bytes(void)
{
    static const char *const good[] = {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3"};
    for (size_t at = 0; at < sizeof good / sizeof good[0]; at++)
        CHECK(utf8_is_valid(text(good[at])));
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        CHECK(!utf8_is_valid(text(bad[at])));
}

SUITE(json, {"entries round trip", entries_round_trip}, {"reads what others write", reads_what_others_write},
      {"refuses what is no entry", refuses_what_is_no_entry},
      {"tells UTF-8 from other bytes", tells_utf8_from_other_bytes});

#include "test.h"

static void expect_keys(silt_store *store, const char *prefix, const char *const *expected, size_t count)
{
    silt_cursor *cursor;
    silt_slice key;
    CHECK_OK(silt_cursor_open(store, text(prefix), &cursor));
    for (size_t at = 0; at < count; at++) {
        CHECK_OK(silt_cursor_next(cursor, &key));
        CHECK(slice_equals(key, expected[at]));
    }
    CHECK(silt_cursor_next(cursor, &key) == SILT_NOT_FOUND);
    silt_cursor_close(cursor);
}

static void walks_in_byte_order(void)
{
    static const char *const keys[] = {"b", "a/2", "", "a/10", "a", "c\xc3\xa9", "a/1"};
    static const char *const all[] = {"", "a", "a/1", "a/10", "a/2", "b", "c\xc3\xa9"};
    static const char *const under_a[] = {"a/1", "a/10", "a/2"};
    silt_store *store = test_open(1 << 20);
    for (size_t at = 0; at < sizeof keys / sizeof keys[0]; at++)
        test_put(store, keys[at], "x");
    expect_keys(store, "", all, sizeof all / sizeof all[0]);
    expect_keys(store, "a/", under_a, sizeof under_a / sizeof under_a[0]);
    expect_keys(store, "d", NULL, 0);
    CHECK_OK(silt_close(store));
}

static void does_not_see_later_changes(void)
{
    silt_store *store = test_open(1 << 20);
    test_put(store, "a", "1");
    test_put(store, "b", "2");
    silt_cursor *cursor;
    CHECK_OK(silt_cursor_open(store, text(""), &cursor));
    CHECK_OK(silt_delete(store, text("b")));
    test_put(store, "c", "3");

    silt_slice key;
    CHECK_OK(silt_cursor_next(cursor, &key));
    CHECK_OK(silt_cursor_next(cursor, &key));
    CHECK(slice_equals(key, "b"));
    CHECK(silt_cursor_next(cursor, &key) == SILT_NOT_FOUND);
    silt_cursor_close(cursor);
    CHECK_OK(silt_close(store));
}

SUITE(cursor, {"walks in byte order", walks_in_byte_order}, {"does not see later changes", does_not_see_later_changes});

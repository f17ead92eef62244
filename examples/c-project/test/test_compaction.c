#include "test.h"

#include <unistd.h>

enum { KEYS = 200, ROUNDS = 10, SEGMENT = 2048 };

static void numbered(int number, char key[16])
{
    snprintf(key, 16, "key-%03d", number);
}

static silt_store *filled_store(void)
{
    silt_store *store = test_open(SEGMENT);
    for (int round = 0; round < ROUNDS; round++) {
        for (int number = 0; number < KEYS; number++) {
            char key[16];
            char value[64];
            numbered(number, key);
            snprintf(value, sizeof value, "value %d of %d", round, number);
            test_put(store, key, value);
        }
    }
    for (int number = 0; number < KEYS; number += 2) {
        char key[16];
        numbered(number, key);
        CHECK_OK(silt_delete(store, text(key)));
    }
    return store;
}

static void check_filled(silt_store *store)
{
    CHECK(silt_get_stats(store).keys == KEYS / 2);
    for (int number = 0; number < KEYS; number++) {
        char key[16];
        char value[64];
        numbered(number, key);
        snprintf(value, sizeof value, "value %d of %d", ROUNDS - 1, number);
        CHECK(number % 2 == 0 ? test_lacks(store, key) : test_has(store, key, value));
    }
    CHECK_OK(silt_check(store, NULL));
}

static void keeps_the_live_and_drops_the_rest(void)
{
    silt_store *store = filled_store();
    silt_stats before = silt_get_stats(store);
    CHECK_OK(silt_compact(store));
    silt_stats after = silt_get_stats(store);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.stored_bytes < before.stored_bytes / 10);
    check_filled(store);
    CHECK_OK(silt_close(store));

    store = test_open(SEGMENT);
    check_filled(store);
    CHECK_OK(silt_close(store));
}

static void writes_after_it_win(void)
{
    silt_store *store = filled_store();
    CHECK_OK(silt_compact(store));
    test_put(store, "key-001", "newer");
    CHECK_OK(silt_delete(store, text("key-003")));
    CHECK_OK(silt_close(store));

    store = test_open(SEGMENT);
    CHECK(test_has(store, "key-001", "newer"));
    CHECK(test_lacks(store, "key-003"));
    CHECK_OK(silt_compact(store));
    CHECK_OK(silt_compact(store));
    CHECK(test_has(store, "key-001", "newer"));
    CHECK(test_lacks(store, "key-003"));
    CHECK_OK(silt_close(store));
}

static void an_empty_store_can_be_compacted(void)
{
    silt_store *store = test_open(SEGMENT);
    CHECK_OK(silt_compact(store));
    test_put(store, "a", "1");
    CHECK_OK(silt_close(store));
    store = test_open(SEGMENT);
    CHECK(test_has(store, "a", "1"));
    CHECK_OK(silt_close(store));
}

static void what_an_unfinished_one_left_is_removed(void)
{
    silt_store *store = filled_store();
    CHECK_OK(silt_close(store));
    char path[128];
    snprintf(path, sizeof path, "%s.tmp", test_segment_path(9999));
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs("half a segment", file) != EOF && fclose(file) == 0);

    store = test_open(SEGMENT);
    check_filled(store);
    CHECK(access(path, F_OK) != 0);
    CHECK_OK(silt_close(store));
}

SUITE(compaction, {"keeps the live and drops the rest", keeps_the_live_and_drops_the_rest},
      {"writes after it win", writes_after_it_win},
      {"an empty store can be compacted", an_empty_store_can_be_compacted},
      {"what an unfinished one left is removed", what_an_unfinished_one_left_is_removed});

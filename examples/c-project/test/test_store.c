#include "test.h"

enum { LARGE_SEGMENT = 1 << 20 };

static void keeps_what_was_put(void)
{
    silt_store *store = test_open(LARGE_SEGMENT);
    test_put(store, "colour", "green");
    test_put(store, "colour", "blue");
    test_put(store, "", "the empty key");
    CHECK(test_has(store, "colour", "blue"));
    CHECK_OK(silt_close(store));

    store = test_open(LARGE_SEGMENT);
    CHECK(test_has(store, "colour", "blue"));
    CHECK(test_has(store, "", "the empty key"));
    CHECK(test_lacks(store, "size"));
    CHECK_OK(silt_close(store));
}

static void forgets_what_was_deleted(void)
{
    silt_store *store = test_open(LARGE_SEGMENT);
    test_put(store, "colour", "green");
    CHECK_OK(silt_delete(store, text("colour")));
    CHECK(silt_delete(store, text("colour")) == SILT_NOT_FOUND);
    CHECK(test_lacks(store, "colour"));
    CHECK_OK(silt_close(store));

    store = test_open(LARGE_SEGMENT);
    CHECK(test_lacks(store, "colour"));
    CHECK(silt_get_stats(store).live_bytes == 0);
    CHECK_OK(silt_close(store));
}

static void a_batch_is_made_in_order(void)
{
    silt_store *store = test_open(LARGE_SEGMENT);
    silt_batch *batch;
    CHECK_OK(silt_batch_new(&batch));
    CHECK_OK(silt_batch_put(batch, text("a"), text("1")));
    CHECK_OK(silt_batch_put(batch, text("b"), text("2")));
    CHECK_OK(silt_batch_delete(batch, text("a")));
    CHECK_OK(silt_write(store, batch));
    silt_batch_clear(batch);
    CHECK(silt_batch_bytes(batch) == 0);
    CHECK_OK(silt_write(store, batch));
    silt_batch_free(batch);

    CHECK(test_lacks(store, "a"));
    CHECK(test_has(store, "b", "2"));
    CHECK_OK(silt_close(store));
}

static void spreads_over_segments(void)
{
    silt_store *store = test_open(64);
    for (int number = 0; number < 50; number++) {
        char key[16];
        snprintf(key, sizeof key, "key-%02d", number);
        test_put(store, key, "some value");
    }
    CHECK(silt_get_stats(store).segments > 10);
    CHECK_OK(silt_close(store));

    store = test_open(64);
    CHECK(silt_get_stats(store).keys == 50);
    CHECK(test_has(store, "key-00", "some value"));
    CHECK(test_has(store, "key-49", "some value"));
    CHECK_OK(silt_close(store));
}

static void is_open_only_once(void)
{
    silt_store *first = test_open(LARGE_SEGMENT);
    silt_store *second;
    CHECK(silt_open(test_directory(), NULL, &second) == SILT_LOCKED);
    CHECK_OK(silt_close(first));
    CHECK_OK(silt_open(test_directory(), NULL, &second));
    CHECK_OK(silt_close(second));
}

static void refuses_what_is_too_large(void)
{
    static char key[SILT_MAX_KEY_BYTES + 1];
    silt_store *store = test_open(LARGE_SEGMENT);
    CHECK(silt_put(store, (silt_slice){.data = key, .size = sizeof key}, text("")) == SILT_TOO_LARGE);
    CHECK(silt_put(store, text("a"), (silt_slice){.data = key, .size = SILT_MAX_BATCH_BYTES + 1}) == SILT_TOO_LARGE);
    CHECK(silt_get_stats(store).keys == 0);
    CHECK_OK(silt_close(store));
}

SUITE(store, {"keeps what was put", keeps_what_was_put}, {"forgets what was deleted", forgets_what_was_deleted},
      {"a batch is made in order", a_batch_is_made_in_order}, {"spreads over segments", spreads_over_segments},
      {"is open only once", is_open_only_once}, {"refuses what is too large", refuses_what_is_too_large});

#include "index.h"
#include "test.h"

enum { KEYS = 5000 };

static silt_slice numbered(int number, char key[16])
{
    snprintf(key, 16, "key-%d", number);
    return silt_slice_of_text(key);
}

static void fill(key_index *index)
{
    for (int number = 0; number < KEYS; number++) {
        char key[16];
        bool replaced;
        location previous;
        CHECK_OK(index_put(index, numbered(number, key), (location){.frame_offset = (uint64_t)number}, &replaced,
                           &previous));
        CHECK(!replaced);
    }
}

static void finds_what_was_put(void)
{
    key_index index = {0};
    char key[16];
    CHECK(index_find(&index, text("nothing")) == NULL);
    fill(&index);
    CHECK(index.count == KEYS);
    for (int number = 0; number < KEYS; number++)
        CHECK(index_find(&index, numbered(number, key))->frame_offset == (uint64_t)number);
    CHECK(index_find(&index, text("nothing")) == NULL);
    index_free(&index);
}

static void put_replaces(void)
{
    key_index index = {0};
    bool replaced;
    location previous;
    CHECK_OK(index_put(&index, text("a"), (location){.segment = 1}, &replaced, &previous));
    CHECK_OK(index_put(&index, text("a"), (location){.segment = 2}, &replaced, &previous));
    CHECK(replaced && previous.segment == 1 && index.count == 1);
    CHECK(index_find(&index, text("a"))->segment == 2);
    index_free(&index);
}

/* Removing closes gaps; whatever remains must still be found, however the probes ran. */
static void removing_keeps_the_others(void)
{
    key_index index = {0};
    char key[16];
    location previous;
    fill(&index);
    for (int number = 0; number < KEYS; number += 3)
        CHECK(index_remove(&index, numbered(number, key), &previous) && previous.frame_offset == (uint64_t)number);
    CHECK(!index_remove(&index, numbered(0, key), &previous));
    for (int number = 0; number < KEYS; number++)
        CHECK((index_find(&index, numbered(number, key)) == NULL) == (number % 3 == 0));
    index_free(&index);
}

static void the_empty_key_is_a_key(void)
{
    key_index index = {0};
    bool replaced;
    location previous;
    CHECK_OK(index_put(&index, (silt_slice){0}, (location){.segment = 7}, &replaced, &previous));
    CHECK(index_find(&index, (silt_slice){0})->segment == 7);
    index_free(&index);
}

SUITE(index, {"finds what was put", finds_what_was_put}, {"put replaces", put_replaces},
      {"removing keeps the others", removing_keeps_the_others}, {"the empty key is a key", the_empty_key_is_a_key});

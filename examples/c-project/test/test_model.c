/* Random operations on a store and on a plain array beside it; the two must always agree. */
#include "test.h"

enum { KEYS = 64, STEPS = 8000, SEGMENT = 4096 };

typedef struct {
    bool present;
    unsigned version;
} model_value;

static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % limit);
}

static void key_text(unsigned number, char key[16])
{
    snprintf(key, 16, "k%u", number);
}

static void value_text(unsigned number, unsigned version, char value[64])
{
    snprintf(value, 64, "%u/%u/%.*s", number, version, (int)(version % 32), "................................");
}

static void check_all(silt_store *store, const model_value *model)
{
    for (unsigned number = 0; number < KEYS; number++) {
        char key[16];
        char value[64];
        key_text(number, key);
        value_text(number, model[number].version, value);
        CHECK(model[number].present ? test_has(store, key, value) : test_lacks(store, key));
    }
}

static void step(silt_store **store, model_value *model, unsigned version)
{
    unsigned number = random_below(KEYS);
    unsigned choice = random_below(1000);
    char key[16];
    char value[64];
    key_text(number, key);
    if (choice < 4) {
        CHECK_OK(silt_close(*store));
        *store = test_open(SEGMENT);
        check_all(*store, model);
    } else if (choice < 8) {
        CHECK_OK(silt_compact(*store));
        check_all(*store, model);
    } else if (choice < 400) {
        silt_status expected = model[number].present ? SILT_OK : SILT_NOT_FOUND;
        CHECK(silt_delete(*store, text(key)) == expected);
        model[number].present = false;
    } else {
        value_text(number, version, value);
        test_put(*store, key, value);
        model[number] = (model_value){.present = true, .version = version};
    }
}

static void agrees_with_a_plain_array(void)
{
    model_value model[KEYS] = {0};
    random_state = 0x5117;
    silt_store *store = test_open(SEGMENT);
    for (unsigned version = 0; version < STEPS; version++)
        step(&store, model, version);
    check_all(store, model);
    CHECK_OK(silt_close(store));
}

SUITE(model, {"agrees with a plain array", agrees_with_a_plain_array});

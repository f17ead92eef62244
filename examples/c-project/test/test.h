#ifndef SILT_TEST_H
#define SILT_TEST_H

#include "silt/silt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(void);
} test_case;

typedef struct {
    const char *name;
    const test_case *cases;
    size_t count;
} test_suite;

#define SUITE(suite, ...)                                                                                              \
    static const test_case suite##_cases[] = {__VA_ARGS__};                                                            \
    const test_suite suite##_suite = {#suite, suite##_cases, sizeof suite##_cases / sizeof suite##_cases[0]}

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_OK(status) CHECK((status) == SILT_OK)

/* A fresh directory for this test; it is removed when the test ends. */
const char *test_directory(void);

silt_slice text(const char *characters);
bool slice_equals(silt_slice slice, const char *expected);

/* Opens the store in the test's directory; a test that crashes it just opens it again after test_crash. */
silt_store *test_open(uint64_t segment_bytes);
void test_put(silt_store *store, const char *key, const char *value);
bool test_has(silt_store *store, const char *key, const char *value);
bool test_lacks(silt_store *store, const char *key);

/* Path of the segment with this number in the test's directory; valid until the next call. */
const char *test_segment_path(unsigned number);

#endif

#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

enum { LARGE_SEGMENT = 1 << 20 };

static off_t size_of(const char *path)
{
    struct stat information;
    CHECK(stat(path, &information) == 0);
    return information.st_size;
}

static void flip_byte(const char *path, off_t offset)
{
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    CHECK(fseeko(file, offset, SEEK_SET) == 0);
    int byte = getc(file);
    CHECK(fseeko(file, offset, SEEK_SET) == 0);
    CHECK(putc(byte ^ 0x55, file) != EOF);
    CHECK(fclose(file) == 0);
}

static void write_two(void)
{
    silt_store *store = test_open(LARGE_SEGMENT);
    test_put(store, "first", "1");
    test_put(store, "second", "2");
    CHECK_OK(silt_close(store));
}

/* The last write is cut at each of its bytes in turn: all before it stays, and writing goes on. */
static void a_cut_write_is_dropped(void)
{
    write_two();
    const char *path = test_segment_path(1);
    off_t whole = size_of(path);
    off_t first_end = whole - 8 - (off_t)(1 + 1 + strlen("second") + 1 + 1);
    for (off_t size = whole - 1; size >= first_end; size--) {
        CHECK(truncate(path, size) == 0);
        silt_store *store = test_open(LARGE_SEGMENT);
        CHECK(test_has(store, "first", "1"));
        CHECK(test_lacks(store, "second"));
        CHECK(size_of(path) == first_end);
        test_put(store, "second", "2");
        CHECK_OK(silt_close(store));
        CHECK(size_of(path) == whole);
    }
}

static void a_zeroed_tail_is_dropped(void)
{
    write_two();
    const char *path = test_segment_path(1);
    off_t whole = size_of(path);
    CHECK(truncate(path, whole + 10000) == 0);
    silt_store *store = test_open(LARGE_SEGMENT);
    CHECK(test_has(store, "second", "2"));
    CHECK(size_of(path) == whole);
    CHECK_OK(silt_close(store));
}

static void damage_in_the_middle_is_told(void)
{
    write_two();
    flip_byte(test_segment_path(1), 8 + 8 + 3);
    silt_store *store;
    CHECK(silt_open(test_directory(), NULL, &store) == SILT_CORRUPT);
}

static void damage_while_open_is_told(void)
{
    silt_store *store = test_open(LARGE_SEGMENT);
    test_put(store, "first", "1");
    test_put(store, "second", "2");
    flip_byte(test_segment_path(1), 8 + 8 + 3);

    silt_bytes value;
    CHECK(silt_get(store, text("first"), &value) == SILT_CORRUPT);
    CHECK(test_has(store, "second", "2"));
    silt_bytes bad_key = {0};
    CHECK(silt_check(store, &bad_key) == SILT_CORRUPT);
    CHECK(bad_key.size == strlen("first") && memcmp(bad_key.data, "first", bad_key.size) == 0);
    silt_bytes_free(&bad_key);
    CHECK_OK(silt_close(store));
}

static void a_cut_in_an_older_segment_is_damage(void)
{
    silt_store *store = test_open(16);
    test_put(store, "first", "1");
    test_put(store, "second", "2");
    CHECK_OK(silt_close(store));
    const char *path = test_segment_path(1);
    CHECK(truncate(path, size_of(path) - 1) == 0);
    CHECK(silt_open(test_directory(), NULL, &store) == SILT_CORRUPT);
}

static void another_file_is_refused(void)
{
    FILE *file = fopen(test_segment_path(1), "w");
    CHECK(file != NULL && fputs("this is no segment", file) != EOF && fclose(file) == 0);
    silt_store *store;
    CHECK(silt_open(test_directory(), NULL, &store) == SILT_CORRUPT);
}

SUITE(recovery, {"a cut write is dropped", a_cut_write_is_dropped},
      {"a zeroed tail is dropped", a_zeroed_tail_is_dropped},
      {"damage in the middle is told", damage_in_the_middle_is_told},
      {"damage while open is told", damage_while_open_is_told},
      {"a cut in an older segment is damage", a_cut_in_an_older_segment_is_damage},
      {"another file is refused", another_file_is_refused});

#include "test.h"

#include <ftw.h>
#include <unistd.h>

extern const test_suite varint_suite, crc32c_suite, index_suite, frame_suite, store_suite, recovery_suite,
    compaction_suite, cursor_suite, glob_suite, json_suite, model_suite;

static const test_suite *const suites[] = {
    &varint_suite, &crc32c_suite,     &index_suite,  &frame_suite, &store_suite, &recovery_suite,
    &glob_suite,   &compaction_suite, &cursor_suite, &json_suite,  &model_suite,
};

static char directory[64];

const char *test_directory(void)
{
    return directory;
}

static int remove_entry(const char *path, const struct stat *information, int kind, struct FTW *walk)
{
    (void)information;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void run_case(const test_case *test)
{
    strcpy(directory, "/tmp/silt-test-XXXXXX");
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        exit(EXIT_FAILURE);
    }
    test->run();
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    size_t count = 0;
    for (size_t suite = 0; suite < sizeof suites / sizeof suites[0]; suite++) {
        for (size_t at = 0; at < suites[suite]->count; at++, count++) {
            printf("%s: %s\n", suites[suite]->name, suites[suite]->cases[at].name);
            fflush(stdout);
            run_case(&suites[suite]->cases[at]);
        }
    }
    printf("%zu tests passed\n", count);
    return EXIT_SUCCESS;
}

#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { VALUE_BYTES = 100 };

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static silt_slice bench_key(unsigned long number, char text[32])
{
    int size = snprintf(text, 32, "bench/%012lu", number);
    return (silt_slice){.data = text, .size = (size_t)size};
}

static silt_status write_keys(silt_store *store, unsigned long count)
{
    static const char value[VALUE_BYTES];
    char text[32];
    silt_status status = SILT_OK;
    for (unsigned long at = 0; status == SILT_OK && at < count; at++)
        status = silt_put(store, bench_key(at, text), (silt_slice){.data = value, .size = sizeof value});
    return status;
}

static silt_status read_keys(silt_store *store, unsigned long count)
{
    char text[32];
    silt_status status = SILT_OK;
    for (unsigned long at = 0; status == SILT_OK && at < count; at++) {
        silt_bytes value;
        status = silt_get(store, bench_key(at, text), &value);
        if (status == SILT_OK)
            silt_bytes_free(&value);
    }
    return status;
}

static silt_status measure(const char *name, silt_status (*run)(silt_store *, unsigned long), silt_store *store,
                           unsigned long count)
{
    double start = now_seconds();
    silt_status status = run(store, count);
    double elapsed = now_seconds() - start;
    if (status == SILT_OK)
        printf("%-6s %10.0f a second\n", name, (double)count / elapsed);
    return status;
}

int command_bench(const command_input *input)
{
    char *end;
    errno = 0;
    unsigned long count = strtoul(input->arguments[0], &end, 10);
    if (errno != 0 || *end != '\0' || count == 0) {
        fprintf(stderr, "silt: bench: \"%s\" is not a count\n", input->arguments[0]);
        return EXIT_USAGE;
    }
    silt_status status = measure("put", write_keys, input->store, count);
    if (status == SILT_OK)
        status = measure("get", read_keys, input->store, count);
    return report("bench", status);
}

#include "command.h"
#include "entry.h"
#include "read_all.h"

#include <stdio.h>

enum { BATCH_BYTES = 1024 * 1024 };

typedef struct {
    silt_store *store;
    silt_batch *batch;
    buffer line;
    entry parsed;
    size_t line_number;
} import;

static silt_status flush(import *run)
{
    silt_status status = silt_write(run->store, run->batch);
    silt_batch_clear(run->batch);
    return status;
}

static silt_status take_line(import *run)
{
    size_t at;
    silt_status status = entry_read(buffer_slice(&run->line), &run->parsed, &at);
    if (status == SILT_INVALID)
        fprintf(stderr, "silt: line %zu, column %zu: not an entry\n", run->line_number, at + 1);
    if (status == SILT_OK)
        status = silt_batch_put(run->batch, buffer_slice(&run->parsed.key), buffer_slice(&run->parsed.value));
    if (status == SILT_OK && silt_batch_bytes(run->batch) >= BATCH_BYTES)
        status = flush(run);
    return status;
}

int command_import(const command_input *input)
{
    import run = {.store = input->store};
    silt_status status = silt_batch_new(&run.batch);
    while (status == SILT_OK) {
        status = read_line(stdin, &run.line);
        if (status != SILT_OK)
            break;
        run.line_number++;
        status = take_line(&run);
    }
    if (status == SILT_NOT_FOUND)
        status = flush(&run);

    buffer_free(&run.line);
    entry_free(&run.parsed);
    silt_batch_free(run.batch);
    return report("import", status);
}

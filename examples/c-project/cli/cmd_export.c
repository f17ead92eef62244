#include "command.h"
#include "entry.h"

#include <stdio.h>

static silt_status print_entry(silt_store *store, silt_slice key, buffer *line)
{
    silt_bytes value;
    silt_status status = silt_get(store, key, &value);
    if (status != SILT_OK)
        return status;
    buffer_clear(line);
    status = entry_append(line, key, (silt_slice){.data = value.data, .size = value.size});
    silt_bytes_free(&value);
    if (status == SILT_OK && fwrite(line->data, 1, line->size, stdout) != line->size)
        return SILT_IO;
    return status;
}

int command_export(const command_input *input)
{
    silt_cursor *cursor;
    silt_status status = silt_cursor_open(input->store, argument_slice(input, 0), &cursor);
    if (status != SILT_OK)
        return report("export", status);

    buffer line = {0};
    silt_slice key;
    while (status == SILT_OK && silt_cursor_next(cursor, &key) == SILT_OK)
        status = print_entry(input->store, key, &line);
    buffer_free(&line);
    silt_cursor_close(cursor);
    return report("export", status);
}

#include "command.h"

#include <stdio.h>
#include <string.h>

/* Everything in front of the first special character must be there literally, so only those keys are looked at. */
static silt_slice literal_prefix(silt_slice pattern)
{
    const char *text = pattern.data;
    size_t size = 0;
    while (size < pattern.size && strchr("*?[\\", text[size]) == NULL)
        size++;
    return (silt_slice){.data = text, .size = size};
}

int command_list(const command_input *input)
{
    silt_slice pattern = input->argument_count > 0 ? argument_slice(input, 0) : silt_slice_of_text("*");
    silt_cursor *cursor;
    silt_status status = silt_cursor_open(input->store, literal_prefix(pattern), &cursor);
    if (status != SILT_OK)
        return report("list", status);

    silt_slice key;
    while (silt_cursor_next(cursor, &key) == SILT_OK) {
        if (!silt_glob_match(pattern, key))
            continue;
        fwrite(key.data, 1, key.size, stdout);
        putchar('\n');
    }
    silt_cursor_close(cursor);
    return 0;
}

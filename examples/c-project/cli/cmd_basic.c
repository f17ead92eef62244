#include "command.h"
#include "read_all.h"

#include <stdio.h>

int command_get(const command_input *input)
{
    silt_bytes value;
    silt_status status = silt_get(input->store, argument_slice(input, 0), &value);
    if (status != SILT_OK)
        return report(input->arguments[0], status);
    fwrite(value.data, 1, value.size, stdout);
    silt_bytes_free(&value);
    return 0;
}

int command_put(const command_input *input)
{
    silt_slice key = argument_slice(input, 0);
    if (input->argument_count == 2)
        return report(input->arguments[0], silt_put(input->store, key, argument_slice(input, 1)));

    buffer value = {0};
    silt_status status = read_all(stdin, &value);
    if (status == SILT_OK)
        status = silt_put(input->store, key, buffer_slice(&value));
    buffer_free(&value);
    return report(input->arguments[0], status);
}

int command_delete(const command_input *input)
{
    return report(input->arguments[0], silt_delete(input->store, argument_slice(input, 0)));
}

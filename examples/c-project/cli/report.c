#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

silt_slice argument_slice(const command_input *input, int position)
{
    return position < input->argument_count ? silt_slice_of_text(input->arguments[position]) : (silt_slice){0};
}

int report(const char *what, silt_status status)
{
    if (status == SILT_OK)
        return 0;
    if (status == SILT_IO)
        fprintf(stderr, "silt: %s: %s\n", what, strerror(errno));
    else
        fprintf(stderr, "silt: %s: %s\n", what, silt_status_text(status));
    return status == SILT_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

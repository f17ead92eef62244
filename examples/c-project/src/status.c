#include "silt/silt.h"

#include <stdlib.h>
#include <string.h>

const char *silt_status_text(silt_status status)
{
    switch (status) {
    case SILT_OK:
        return "done";
    case SILT_NOT_FOUND:
        return "not found";
    case SILT_INVALID:
        return "invalid argument";
    case SILT_TOO_LARGE:
        return "too large";
    case SILT_LOCKED:
        return "the store is open in another process";
    case SILT_CORRUPT:
        return "stored data is damaged";
    case SILT_IO:
        return "input or output failed";
    case SILT_NO_MEMORY:
        return "out of memory";
    case SILT_BROKEN:
        return "an earlier write failed, open the store again";
    }
    return "unknown status";
}

silt_slice silt_slice_of_text(const char *text)
{
    return (silt_slice){.data = text, .size = strlen(text)};
}

void silt_bytes_free(silt_bytes *bytes)
{
    free(bytes->data);
    *bytes = (silt_bytes){0};
}

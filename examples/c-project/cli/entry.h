/* A key and its value as one line of JSON: text as it is, other bytes in base64 under "key64" and "value64". */
#ifndef SILT_CLI_ENTRY_H
#define SILT_CLI_ENTRY_H

#include "buffer.h"

silt_status entry_append(buffer *line, silt_slice key, silt_slice value);

typedef struct {
    buffer key;
    buffer value;
    bool has_key;
    bool has_value;
} entry;

/* SILT_INVALID if the line isn't an entry; `*at` is where reading stopped. */
silt_status entry_read(silt_slice line, entry *out, size_t *at);
void entry_free(entry *out);

#endif

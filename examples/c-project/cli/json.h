/* As much JSON as an export needs: one object a line, whose members are strings. */
#ifndef SILT_CLI_JSON_H
#define SILT_CLI_JSON_H

#include "buffer.h"

/* Appends the text, which must be valid UTF-8, quoted and escaped. */
silt_status json_append_string(buffer *buf, silt_slice text);

typedef silt_status (*json_member)(void *context, silt_slice name, silt_slice value);

/* Calls with each member of the object. SILT_INVALID if the line is anything else; `*at` is then where. */
silt_status json_read_object(silt_slice line, json_member member, void *context, size_t *at);

#endif

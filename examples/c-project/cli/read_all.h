#ifndef SILT_CLI_READ_ALL_H
#define SILT_CLI_READ_ALL_H

#include "buffer.h"

#include <stdio.h>

/* Appends everything up to the stream's end. */
silt_status read_all(FILE *stream, buffer *out);

/* Replaces `line` with the next line, without its end. SILT_NOT_FOUND behind the last one. */
silt_status read_line(FILE *stream, buffer *line);

#endif

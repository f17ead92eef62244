#ifndef SILT_CLI_BASE64_H
#define SILT_CLI_BASE64_H

#include "buffer.h"

silt_status base64_encode(buffer *buf, silt_slice bytes);
/* Wants whole groups of four, padded; SILT_INVALID otherwise. */
silt_status base64_decode(buffer *buf, silt_slice text);

#endif

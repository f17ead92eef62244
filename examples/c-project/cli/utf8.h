#ifndef SILT_CLI_UTF8_H
#define SILT_CLI_UTF8_H

#include "buffer.h"

/* Well-formed: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(silt_slice text);
silt_status utf8_append(buffer *buf, uint32_t code_point);

#endif

#include "entry.h"

#include "base64.h"
#include "json.h"
#include "utf8.h"

#include <string.h>

static silt_status append_member(buffer *line, const char *name, silt_slice bytes)
{
    bool text = utf8_is_valid(bytes);
    silt_status status = buffer_append_byte(line, '"');
    if (status == SILT_OK)
        status = buffer_append_text(line, name);
    if (status == SILT_OK)
        status = buffer_append_text(line, text ? "\":" : "64\":\"");
    if (status == SILT_OK)
        status = text ? json_append_string(line, bytes) : base64_encode(line, bytes);
    if (status == SILT_OK && !text)
        status = buffer_append_byte(line, '"');
    return status;
}

silt_status entry_append(buffer *line, silt_slice key, silt_slice value)
{
    silt_status status = buffer_append_byte(line, '{');
    if (status == SILT_OK)
        status = append_member(line, "key", key);
    if (status == SILT_OK)
        status = buffer_append_byte(line, ',');
    if (status == SILT_OK)
        status = append_member(line, "value", value);
    return status == SILT_OK ? buffer_append_text(line, "}\n") : status;
}

static bool is_named(silt_slice name, const char *expected)
{
    return name.size == strlen(expected) && memcmp(name.data, expected, name.size) == 0;
}

static silt_status set_part(buffer *part, bool *present, silt_slice value, bool encoded)
{
    if (*present)
        return SILT_INVALID;
    *present = true;
    return encoded ? base64_decode(part, value) : buffer_append(part, value.data, value.size);
}

static silt_status take_member(void *context, silt_slice name, silt_slice value)
{
    entry *out = context;
    if (is_named(name, "key"))
        return set_part(&out->key, &out->has_key, value, false);
    if (is_named(name, "key64"))
        return set_part(&out->key, &out->has_key, value, true);
    if (is_named(name, "value"))
        return set_part(&out->value, &out->has_value, value, false);
    if (is_named(name, "value64"))
        return set_part(&out->value, &out->has_value, value, true);
    return SILT_INVALID;
}

silt_status entry_read(silt_slice line, entry *out, size_t *at)
{
    buffer_clear(&out->key);
    buffer_clear(&out->value);
    out->has_key = false;
    out->has_value = false;
    silt_status status = json_read_object(line, take_member, out, at);
    if (status == SILT_OK && !(out->has_key && out->has_value))
        return SILT_INVALID;
    return status;
}

void entry_free(entry *out)
{
    buffer_free(&out->key);
    buffer_free(&out->value);
}

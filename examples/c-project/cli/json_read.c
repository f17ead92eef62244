#include "json.h"

#include "utf8.h"

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t at;
} reader;

static void skip_space(reader *in)
{
    while (in->at < in->size) {
        uint8_t byte = in->data[in->at];
        if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n')
            return;
        in->at++;
    }
}

/* Moves behind the character if it is next. */
static bool take(reader *in, uint8_t character)
{
    if (in->at == in->size || in->data[in->at] != character)
        return false;
    in->at++;
    return true;
}

static bool read_hex4(reader *in, uint32_t *value)
{
    uint32_t result = 0;
    for (int digit = 0; digit < 4; digit++) {
        if (in->at == in->size)
            return false;
        uint8_t byte = in->data[in->at++];
        if (byte >= '0' && byte <= '9')
            result = result << 4 | (uint32_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            result = result << 4 | (uint32_t)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F')
            result = result << 4 | (uint32_t)(byte - 'A' + 10);
        else
            return false;
    }
    *value = result;
    return true;
}

/* Behind `\u`. What lies above U+FFFF is written as a pair of surrogates; one alone is no character. */
static silt_status read_code_point(reader *in, buffer *out)
{
    uint32_t code_point;
    if (!read_hex4(in, &code_point) || (code_point >= 0xdc00u && code_point < 0xe000u))
        return SILT_INVALID;
    if (code_point >= 0xd800u && code_point < 0xdc00u) {
        uint32_t low;
        if (!take(in, '\\') || !take(in, 'u') || !read_hex4(in, &low) || low < 0xdc00u || low >= 0xe000u)
            return SILT_INVALID;
        code_point = 0x10000u + ((code_point - 0xd800u) << 10) + (low - 0xdc00u);
    }
    return utf8_append(out, code_point);
}

static silt_status read_escape(reader *in, buffer *out)
{
    if (in->at == in->size)
        return SILT_INVALID;
    uint8_t escape = in->data[in->at++];
    switch (escape) {
    case '"':
    case '\\':
    case '/':
        return buffer_append_byte(out, escape);
    case 'b':
        return buffer_append_byte(out, '\b');
    case 'f':
        return buffer_append_byte(out, '\f');
    case 'n':
        return buffer_append_byte(out, '\n');
    case 'r':
        return buffer_append_byte(out, '\r');
    case 't':
        return buffer_append_byte(out, '\t');
    case 'u':
        return read_code_point(in, out);
    default:
        return SILT_INVALID;
    }
}

static silt_status read_string(reader *in, buffer *out)
{
    buffer_clear(out);
    if (!take(in, '"'))
        return SILT_INVALID;
    while (in->at < in->size) {
        uint8_t byte = in->data[in->at++];
        silt_status status;
        if (byte == '"')
            return utf8_is_valid(buffer_slice(out)) ? SILT_OK : SILT_INVALID;
        if (byte == '\\')
            status = read_escape(in, out);
        else
            status = byte < 0x20u ? SILT_INVALID : buffer_append_byte(out, byte);
        if (status != SILT_OK)
            return status;
    }
    return SILT_INVALID;
}

static silt_status read_member(reader *in, buffer *name, buffer *value)
{
    skip_space(in);
    silt_status status = read_string(in, name);
    if (status != SILT_OK)
        return status;
    skip_space(in);
    if (!take(in, ':'))
        return SILT_INVALID;
    skip_space(in);
    status = read_string(in, value);
    skip_space(in);
    return status;
}

silt_status json_read_object(silt_slice line, json_member member, void *context, size_t *at)
{
    reader in = {.data = line.data, .size = line.size};
    buffer name = {0};
    buffer value = {0};
    silt_status status = SILT_OK;

    skip_space(&in);
    if (!take(&in, '{'))
        status = SILT_INVALID;
    skip_space(&in);
    bool more = status == SILT_OK && !take(&in, '}');
    while (more) {
        status = read_member(&in, &name, &value);
        if (status == SILT_OK)
            status = member(context, buffer_slice(&name), buffer_slice(&value));
        more = status == SILT_OK && take(&in, ',');
        if (status == SILT_OK && !more && !take(&in, '}'))
            status = SILT_INVALID;
    }
    skip_space(&in);
    if (status == SILT_OK && in.at < in.size)
        status = SILT_INVALID;

    *at = in.at;
    buffer_free(&name);
    buffer_free(&value);
    return status;
}

#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

silt_status base64_encode(buffer *buf, silt_slice bytes)
{
    const uint8_t *data = bytes.data;
    silt_status status = SILT_OK;
    for (size_t at = 0; status == SILT_OK && at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = (uint32_t)data[at] << 16;
        if (left > 1)
            group |= (uint32_t)data[at + 1] << 8;
        if (left > 2)
            group |= data[at + 2];
        const char text[] = {
            alphabet[group >> 18],
            alphabet[(group >> 12) & 63u],
            left > 1 ? alphabet[(group >> 6) & 63u] : '=',
            left > 2 ? alphabet[group & 63u] : '=',
        };
        status = buffer_append(buf, text, sizeof text);
    }
    return status;
}

/* -1 if the character isn't of the alphabet. */
static int digit_of(uint8_t character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+')
        return 62;
    return character == '/' ? 63 : -1;
}

static silt_status decode_group(buffer *buf, const uint8_t *text, size_t digits)
{
    uint32_t group = 0;
    for (size_t at = 0; at < 4; at++) {
        int digit = at < digits ? digit_of(text[at]) : 0;
        if (digit < 0)
            return SILT_INVALID;
        group = group << 6 | (uint32_t)digit;
    }
    const uint8_t bytes[] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
    return buffer_append(buf, bytes, digits - 1);
}

silt_status base64_decode(buffer *buf, silt_slice text)
{
    if (text.size % 4 != 0)
        return SILT_INVALID;
    const uint8_t *data = text.data;
    silt_status status = SILT_OK;
    for (size_t at = 0; status == SILT_OK && at < text.size; at += 4) {
        size_t digits = 4;
        bool last = at + 4 == text.size;
        while (last && digits > 2 && data[at + digits - 1] == '=')
            digits--;
        status = decode_group(buf, data + at, digits);
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials and port of an http(s) URL; what stands between them is url_host.c's. */
#include "url_internal.h"
#include <string.h>

/* The userinfo percent-encode set of the standard, less what is no printable ASCII. */
static bool is_userinfo(unsigned char c)
{
    return c > ' ' && c < 0x7f && strchr("\"#<>?^`{}/:;=@[\\]|", c) == NULL;
}

static void put_userinfo(const char *from, const char *end, struct base_buffer *out)
{
    for (; from < end; from++) {
        if (is_userinfo((unsigned char)*from)) {
            base_buffer_append_char(out, *from);
        } else {
            base_buffer_printf(out, "%%%02X", (unsigned char)*from);
        }
    }
}

/* "name:password@", without what is empty. A name may be empty when the password is not. */
static void put_credentials(const char *from, const char *at, struct base_buffer *out)
{
    const char *colon = memchr(from, ':', (size_t)(at - from));
    const char *name_end = colon != NULL ? colon : at;
    const char *password = colon != NULL ? colon + 1 : at;
    put_userinfo(from, name_end, out);
    if (password < at) {
        base_buffer_append_char(out, ':');
        put_userinfo(password, at, out);
    }
    if (from < name_end || password < at) {
        base_buffer_append_char(out, '@');
    }
}

/* The colon behind the host, or end: those between brackets are an IPv6 address's. */
static const char *find_port(const char *host, const char *end)
{
    bool inside = false;
    for (; host < end && (inside || *host != ':'); host++) {
        inside = *host == '[' || (inside && *host != ']');
    }
    return host;
}

static enum gleaner_status put_port(const char *from, const char *end, bool tls,
                                    struct base_buffer *out)
{
    unsigned port = 0;
    for (const char *digit = from; digit < end; digit++) {
        if (*digit < '0' || *digit > '9') {
            return GLEANER_E_INVALID;
        }
        port = port * 10 + (unsigned)(*digit - '0');
        if (port > UINT16_MAX) {
            return GLEANER_E_INVALID;
        }
    }
    if (from < end && port != (tls ? 443 : 80)) {
        base_buffer_printf(out, ":%u", port);
    }
    return GLEANER_OK;
}

enum gleaner_status url_put_authority(struct url_lexbor *lexbor, const char *from, const char *end,
                                      bool tls, struct base_buffer *out)
{
    const char *at = memrchr(from, '@', (size_t)(end - from));
    const char *host = at != NULL ? at + 1 : from;
    const char *colon = find_port(host, end);
    if (at != NULL) {
        put_credentials(from, at, out);
    }
    enum gleaner_status status = url_put_host(lexbor, host, colon, out);
    if (status == GLEANER_OK && colon < end) {
        status = put_port(colon + 1, end, tls, out);
    }
    return status;
}

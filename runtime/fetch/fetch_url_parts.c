/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a URL that is normalised already: slices, nothing is copied. */
#include "fetch_internal.h"
#include <string.h>

static struct base_slice slice(const char *from, const char *to)
{
    return (struct base_slice){from, (size_t)(to - from)};
}

/* First byte of `set` in [from, end), or end. */
static const char *find_any(const char *from, const char *end, const char *set)
{
    while (from < end && strchr(set, *from) == NULL) {
        from++;
    }
    return from;
}

static bool is_clean(const char *from, const char *end)
{
    for (; from < end; from++) {
        unsigned char c = (unsigned char)*from;
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool split_port(struct fetch_url_parts *out, const char *host, const char *end)
{
    const char *colon = end;
    while (colon > host && colon[-1] >= '0' && colon[-1] <= '9') {
        colon--;
    }
    out->host = slice(host, end);
    out->port = slice(end, end);
    if (colon > host && colon[-1] == ':' && colon < end) {
        out->host = slice(host, colon - 1);
        out->port = slice(colon, end);
    }
    bool bracketed = out->host.len > 0 && *host == '[';
    if (bracketed ? host[out->host.len - 1] != ']'
                  : memchr(out->host.data, ':', out->host.len) != NULL) {
        return false;
    }
    return out->host.len > 0 && out->port.len <= 5;
}

enum gleaner_status fetch_url_split(const char *url, size_t len, struct fetch_url_parts *out)
{
    const char *end = url + len;
    memset(out, 0, sizeof(*out));
    size_t scheme = len > 7 && memcmp(url, "http://", 7) == 0    ? 4
                    : len > 8 && memcmp(url, "https://", 8) == 0 ? 5
                                                                 : 0;
    if (scheme == 0 || !is_clean(url, end)) {
        return GLEANER_E_INVALID;
    }
    const char *authority = url + scheme + 3;
    const char *path = find_any(authority, end, "/?#");
    const char *host = authority;
    if (find_any(authority, path, "\\<>\"") < path) {
        return GLEANER_E_INVALID;
    }
    for (const char *p = authority; p < path; p++) {
        if (*p == '@') {
            host = p + 1;
        }
    }
    const char *fragment = memchr(path, '#', (size_t)(end - path));
    end = fragment != NULL ? fragment : end;
    const char *query = memchr(path, '?', (size_t)(end - path));
    out->scheme = slice(url, url + scheme);
    out->path = slice(path, query != NULL ? query : end);
    out->query = query != NULL ? slice(query + 1, end) : slice(end, end);
    out->origin = host == authority ? slice(url, path) : slice(url, url);
    return split_port(out, host, path) && out->path.len > 0 ? GLEANER_OK : GLEANER_E_INVALID;
}

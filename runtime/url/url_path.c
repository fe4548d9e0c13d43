/* SPDX-License-Identifier: Apache-2.0 */
/* Path and query of an http URL (WHATWG): escapes, dot segments. Output goes to a buffer with room
 * for three bytes per byte of input. */
#include "url_internal.h"
#include <string.h>
#include <strings.h>

/* What becomes of a byte. */
enum {
    PATH_ESCAPE = 1, /* percent-encoded in a path */
    PATH_END = 2,    /* '?', '#' */
    PATH_SLASH = 4,  /* '/', and '\' which counts as one */
    QUERY_ESCAPE = 8,
    QUERY_END = 16, /* '#' */
};
#define BOTH_ESCAPE (PATH_ESCAPE | QUERY_ESCAPE)
static const unsigned char byte_class[256] = {
    [0 ... ' '] = BOTH_ESCAPE,
    ['"'] = BOTH_ESCAPE,
    ['#'] = PATH_END | QUERY_END,
    ['\''] = QUERY_ESCAPE,
    ['<'] = BOTH_ESCAPE,
    ['>'] = BOTH_ESCAPE,
    ['?'] = PATH_END,
    ['/'] = PATH_SLASH,
    ['\\'] = PATH_SLASH,
    ['^'] = PATH_ESCAPE,
    ['`'] = PATH_ESCAPE,
    ['{'] = PATH_ESCAPE,
    ['}'] = PATH_ESCAPE,
    [0x7f ... 0xff] = BOTH_ESCAPE,
};

static char *put_escaped(char *to, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    *to++ = '%';
    *to++ = hex[c >> 4];
    *to++ = hex[c & 15];
    return to;
}

/* How many dots a segment is when it is nothing else (%2e is one, too); else 0. */
static int dots_of(const char *from, const char *end)
{
    int dots = 0;
    if (end - from > 6) {
        return 0;
    }
    for (; from < end; dots++) {
        if (*from == '.') {
            from++;
        } else if (end - from >= 3 && strncasecmp(from, "%2e", 3) == 0) {
            from += 3;
        } else {
            return 0;
        }
    }
    return dots <= 2 ? dots : 0;
}

/* Back to behind the slash before the last segment; never before the root. */
static char *pop_segment(char *to, const char *root)
{
    if (to - 1 > root) {
        to--;
        while (to[-1] != '/') {
            to--;
        }
    }
    return to;
}

char *url_put_path(char *to, const char *root, const char **from, const char *end)
{
    const char *at = *from;
    bool slash;
    do {
        char *segment = to;
        unsigned char class = 0, c;
        for (; at < end; at++) {
            c = (unsigned char)*at;
            class = byte_class[c];
            if (class == 0 || class == QUERY_ESCAPE) {
                *to++ = (char)c;
            } else if ((class & PATH_ESCAPE) != 0) {
                to = put_escaped(to, c);
            } else {
                break;
            }
        }
        slash = at < end && (class & PATH_SLASH) != 0;
        bool dotted = to > segment && (*segment == '.' || *segment == '%');
        int dots = dotted ? dots_of(segment, to) : 0;
        if (dots > 0) {
            to = dots == 2 ? pop_segment(segment, root) : segment;
        } else if (slash) {
            *to++ = '/';
        }
        at += slash;
    } while (slash);
    *from = at;
    return to;
}

char *url_put_query(char *to, const char *from, const char *end)
{
    for (; from < end && (byte_class[(unsigned char)*from] & QUERY_END) == 0; from++) {
        unsigned char c = (unsigned char)*from;
        if ((byte_class[c] & QUERY_ESCAPE) != 0) {
            to = put_escaped(to, c);
        } else {
            *to++ = (char)c;
        }
    }
    return to;
}

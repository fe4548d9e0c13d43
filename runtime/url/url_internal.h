/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef URL_INTERNAL_H
#define URL_INTERNAL_H

#include "url.h"
#include <lexbor/unicode/idna.h>
#include <lexbor/url/url.h>

/* Lexbor's part: other schemes, IPv6, international names. */
struct url_lexbor {
    lxb_url_parser_t *parser;
    lexbor_mraw_t *memory; /* of one parse; emptied before the next */
    lxb_unicode_idna_t *idna;
};
enum gleaner_status url_lexbor_init(struct url_lexbor *lexbor);
void url_lexbor_fini(struct url_lexbor *lexbor);
/** NULL = no URL. Valid until the next call. */
lxb_url_t *url_lexbor_parse(struct url_lexbor *lexbor, const char *text, size_t len);

/**
 * Append what stands between "//" and the path: credentials, host, port; normalised.
 * Errors: GLEANER_E_INVALID, GLEANER_E_NOMEM.
 */
enum gleaner_status url_put_authority(struct url_lexbor *lexbor, const char *from, const char *end,
                                      bool tls, struct base_buffer *out);
/** Append the host, as the host parser of the standard gives it. Errors: as above. */
enum gleaner_status url_put_host(struct url_lexbor *lexbor, const char *from, const char *end,
                                 struct base_buffer *out);

/**
 * Append the path from[0..) with escapes and without dot segments. `to` stands behind a slash of
 * the path, `root` on its first one; there is room for three bytes per byte. Returns the new end;
 * *from moves to the '?', the '#' or the end.
 */
char *url_put_path(char *to, const char *root, const char **from, const char *end);
/** Append the query from its '?' up to the '#' or the end, with escapes. */
char *url_put_query(char *to, const char *from, const char *end);

#endif

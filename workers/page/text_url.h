/* SPDX-License-Identifier: Apache-2.0 */
/* Resolving addresses (WHATWG), with a short way for the ones that need no work. */
#ifndef TEXT_URL_H
#define TEXT_URL_H

#include "text_buffer.h"

#include <lexbor/url/url.h>

/* One per context; one thread at a time. */
struct text_url {
    lxb_url_parser_t *parser; /* of links; its memory is emptied every so often */
    lxb_url_parser_t *base_parser;
    const lxb_url_t *base; /* in base_parser's memory */
    struct text_buffer base_href;
    size_t authority_len; /* of base_href: scheme, host, port; 0 when the short way is not for it */
    size_t directory_len; /* of base_href: up to and with the last '/' of its path */
    unsigned parsed;      /* links since the memory was emptied */
};

bool text_url_init(struct text_url *url);
void text_url_fini(struct text_url *url);

/** Set the base: an absolute address, or one relative to the present base. False (and no change)
 *  when it is no http(s) address. `text_url_forget_base` first makes it absolute-only. */
bool text_url_set_base(struct text_url *url, struct text_slice href);
void text_url_forget_base(struct text_url *url);

/** Append the absolute form without fragment to `out`. False (and nothing appended) when it is no
 *  address, or neither http nor https. */
bool text_url_resolve(struct text_url *url, struct text_slice href, struct text_buffer *out);
/** The same without the short way: for tests, which compare the two. */
bool text_url_resolve_fully(struct text_url *url, struct text_slice href, struct text_buffer *out);

#endif

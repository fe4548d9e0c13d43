/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a page, made absolute by the resolver that fetches them, too (runtime/url). */
#ifndef TEXT_URL_H
#define TEXT_URL_H

#include "text_buffer.h"

struct url_parser;

/* One per context; one thread at a time. */
struct text_url {
    struct url_parser *parser;
    struct text_buffer base; /* of the next set_base: it may be relative to the present one */
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

#endif

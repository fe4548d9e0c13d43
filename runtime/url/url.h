/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file url.h
 * The door of runtime/url: what a link on a page leads to, by the WHATWG URL standard. The
 * fetchers, the frontier, the tools and the modules ask the same code, so that the address which a
 * document names is the one that is fetched. Thread: [any], one parser a thread.
 */
#ifndef URL_H
#define URL_H

#include "base.h"

/* A parser with reusable memory, and the base that links are resolved against. */
struct url_parser;
GLEANER_MUST_CHECK enum gleaner_status url_parser_create(struct url_parser **out);
void url_parser_destroy(struct url_parser **parser);
/**
 * Set the base for the following resolves: an absolute address. After a failure there is no base,
 * and only absolute links lead anywhere.
 * Errors: as url_resolve().
 */
GLEANER_MUST_CHECK enum gleaner_status url_set_base(struct url_parser *parser, const char *base,
                                                    size_t len);
/** From now on only absolute links lead anywhere. */
void url_forget_base(struct url_parser *parser);
/**
 * Resolve href against the base, drop the fragment, serialise. Only http and https.
 * *out is valid until the next call on this parser.
 * Errors: GLEANER_E_INVALID no URL; GLEANER_E_UNSUPPORTED another scheme (javascript:, data:,
 * mailto:).
 */
GLEANER_MUST_CHECK enum gleaner_status url_resolve(struct url_parser *parser, const char *href,
                                                   size_t len, struct base_slice *out);

#endif

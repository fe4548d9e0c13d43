/* SPDX-License-Identifier: Apache-2.0 */
/* The real text module, loaded through runtime/module, with a host that records. */
#ifndef TEXT_FIXTURE_H
#define TEXT_FIXTURE_H

#include "page_host.h"

#include <criterion/criterion.h>

#define PAGE_URL "http://h.test/d/page.html"

extern struct module_registry *text_registry;
extern struct page_result text_result;

void text_setup(void);
void text_teardown(void);

/** A page as the host would pass it. */
struct gleaner_page text_page(const char *html, size_t len);
/** Handle it; the result is in text_result. */
void text_run(const struct gleaner_page *page);
void text_run_html(const char *html);
void text_run_markdown(const char *html);

/** Value of a text field of the last document. */
const char *text_field(const char *name);
bool text_field_is_null(const char *name);
/** Items of a list field joined by spaces, in a static buffer. */
const char *text_list(const char *name);
const char *text_followed(void);

#define expect_text(html, want)                                                                    \
    do {                                                                                           \
        text_run_html(html);                                                                       \
        cr_expect_str_eq(text_field("text"), want);                                                \
    } while (0)
#define expect_markdown(html, want)                                                                \
    do {                                                                                           \
        text_run_markdown(html);                                                                   \
        cr_expect_str_eq(text_field("text"), want);                                                \
    } while (0)

#endif

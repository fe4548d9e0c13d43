/* SPDX-License-Identifier: Apache-2.0 */
#include "page_kind.h"

#include "text_buffer.h"

static bool is_html(const struct gleaner_page *page)
{
    const char *type = page->content_type != NULL ? page->content_type : "";
    const char *end = strchr(type, ';');
    struct text_slice name =
        text_trim((struct text_slice){type, end != NULL ? (size_t)(end - type) : strlen(type)});
    if (name.len > 0) {
        return text_equals_word(name, "text/html") ||
               text_equals_word(name, "application/xhtml+xml");
    }
    struct text_slice body = text_trim((struct text_slice){page->body, page->body_len});
    return body.len > 0 && body.data[0] == '<';
}

static bool is_good_status(int status)
{
    return status == 0 || (status >= 200 && status <= 299);
}

bool page_is_readable(const struct gleaner_page *page)
{
    return is_good_status(page->http_status) && is_html(page);
}

bool page_wants_page_document(const struct gleaner_host *host, struct gleaner_task *task,
                              const struct gleaner_page *page)
{
    const char *wanted = host->setting(task, "document");
    if (wanted != NULL) {
        return strcmp(wanted, "page") == 0;
    }
    return page->want_links;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose page is an image itself: one document with its type and dimensions. */
#include "image.h"

#include <stdio.h>

/* What came, undecoded; an earlier host has no such field. */
static struct text_slice raw_of(const struct gleaner_page *page)
{
    bool has_raw = page->size >= offsetof(struct gleaner_page, raw_len) + sizeof page->raw_len;
    return has_raw && page->raw != NULL ? (struct text_slice){page->raw, page->raw_len}
                                        : (struct text_slice){"", 0};
}

bool image_file_is(const struct gleaner_page *page)
{
    struct image_header header;
    struct text_slice raw = raw_of(page);
    bool is_good = page->http_status == 0 || (page->http_status >= 200 && page->http_status <= 299);
    (void)image_header_read(raw.data, raw.len, &header);
    return is_good && header.type != NULL;
}

static void put(const struct gleaner_host *host, struct gleaner_task *task, const char *name,
                const char *text)
{
    host->doc_text(task, name, text, strlen(text));
}

enum gleaner_verdict image_file_emit(const struct gleaner_host *host, struct gleaner_task *task,
                                     const struct gleaner_page *page)
{
    static const struct page_meta none = {0};
    struct image_header header;
    struct text_slice raw = raw_of(page);
    if (!image_header_read(raw.data, raw.len, &header)) {
        header.width = header.height = 0;
    }
    bool is_one = page_wants_page_document(host, task, page);
    host->content_found(task, true);
    if (host->doc_begin(task, is_one ? NULL : "imagecontents", page->url, page->url_len) !=
        GLEANER_OK) {
        host->log(task, 0, "image: the host takes no document");
        return GLEANER_PAGE_RETRY;
    }
    put(host, task, "type", "image");
    put(host, task, "url", page->url);
    put(host, task, "source", page->url);
    image_emit_header(&header, host, task);
    host->doc_int(task, "bytes", (int64_t)raw.len);
    page_meta_emit_content(&none, host, task, (struct text_slice){"", 0}, true,
                           page->fetched_at_ms);
    host->doc_date(task, "dateAdded", page->fetched_at_ms);
    host->doc_int(task, "__v", 0);
    if (host->doc_commit(task) != GLEANER_OK) {
        host->log(task, 0, "image: the document was refused");
        return GLEANER_PAGE_FAILED;
    }
    return GLEANER_PAGE_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a child's module asks of the host while it runs: settings and resources. The answer lies in
 * the page file, behind the page, which stays as it is. */
#include "isolate.h"

#include <string.h>
#include <unistd.h>

static void note_used(struct isolate_child *child, size_t bytes)
{
    child->page_used = bytes > child->page_used ? bytes : child->page_used;
}

static bool answer_setting(struct isolate_child *child, const struct gleaner_host *host,
                           struct gleaner_task *task, struct isolate_word *word, size_t page_bytes)
{
    const char *value = host->setting(task, word->text);
    size_t len = value != NULL ? strlen(value) : 0;
    word->value = value != NULL && isolate_reserve_page(child, page_bytes + len + 1);
    word->bytes = page_bytes + len + 1;
    if (word->value != 0) {
        (void)isolate_put(child->page + page_bytes, value, len);
        note_used(child, (size_t)word->bytes);
    }
    return isolate_send(child, word);
}

static bool read_address(const struct isolate_child *child, const struct isolate_word *word,
                         char *out)
{
    bool is_sane =
        word->bytes <= ISOLATE_ADDRESS_MAX && word->value >= 0 && word->value <= ISOLATE_CALLS_MAX;
    return is_sane && pread(child->calls_fd, out, (size_t)word->bytes, (off_t)word->value) ==
                          (ssize_t)word->bytes;
}

static bool write_resource(struct isolate_child *child, const struct gleaner_resource *got,
                           size_t page_bytes, struct isolate_word *word)
{
    const struct isolate_resource head = {.url_len = strlen(got->url),
                                          .content_type_len = strlen(got->content_type),
                                          .bytes_len = got->len,
                                          .reason_len = strlen(got->reason),
                                          .http_status = got->http_status,
                                          .is_cut = got->is_cut};
    size_t at = (page_bytes + 7) & ~(size_t)7;
    size_t bytes = at + sizeof head + head.url_len + head.content_type_len + head.bytes_len +
                   head.reason_len + 4;
    if (!isolate_reserve_page(child, bytes)) {
        return false;
    }
    memcpy(child->page + at, &head, sizeof head);
    char *to = isolate_put(child->page + at + sizeof head, got->url, head.url_len);
    to = isolate_put(to, got->content_type, head.content_type_len);
    to = isolate_put(to, got->bytes, got->len);
    (void)isolate_put(to, got->reason, head.reason_len);
    word->deadline_ns = at;
    word->bytes = bytes;
    note_used(child, bytes);
    return true;
}

/* A tool's host may be without it. */
static bool can_fetch(const struct gleaner_host *host)
{
    return host->size >= offsetof(struct gleaner_host, fetch) + sizeof host->fetch &&
           host->fetch != NULL;
}

static enum gleaner_status fetch(const struct gleaner_host *host, struct gleaner_task *task,
                                 const char *url, size_t len, uint64_t max_bytes,
                                 struct gleaner_resource *got)
{
    if (can_fetch(host)) {
        return host->fetch(task, url, len, max_bytes, got);
    }
    *got = (struct gleaner_resource){.size = sizeof *got,
                                     .url = "",
                                     .content_type = "",
                                     .bytes = "",
                                     .reason = "nothing can be fetched for this page"};
    return GLEANER_E_UNSUPPORTED;
}

/* It ends by the task's deadline, as the child does. */
static bool answer_fetch(struct isolate_child *child, const struct gleaner_host *host,
                         struct gleaner_task *task, struct isolate_word *word, size_t page_bytes)
{
    struct base_buffer address = {0};
    struct gleaner_resource got = {.size = sizeof got};
    uint64_t max_bytes = word->deadline_ns;
    bool is_good = base_buffer_reserve(&address, ISOLATE_ADDRESS_MAX + 1) &&
                   read_address(child, word, address.data);
    if (is_good) {
        word->value = fetch(host, task, address.data, (size_t)word->bytes, max_bytes, &got);
        if (!write_resource(child, &got, page_bytes, word)) {
            word->value = GLEANER_E_NOMEM;
            word->bytes = 0;
        }
    }
    base_buffer_fini(&address);
    return is_good && isolate_send(child, word);
}

bool isolate_answer(struct isolate_child *child, const struct gleaner_host *host,
                    struct gleaner_task *task, struct isolate_word *word, size_t page_bytes)
{
    switch (word->kind) {
    case ISOLATE_SETTING:
        return answer_setting(child, host, task, word, page_bytes);
    case ISOLATE_FETCH:
        return answer_fetch(child, host, task, word, page_bytes);
    default:
        return false;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the child process: the service `fetch`. The parent fetches, under its politeness and
 * limits; what came is copied out of the page file, which the next answer overwrites. */
#include "isolate_task.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void isolate_fetch_reset(struct gleaner_task *task)
{
    free(task->resource_memory);
    task->resource_memory = NULL;
}

static enum gleaner_status give(const struct gleaner_resource *from, enum gleaner_status status,
                                struct gleaner_resource *out)
{
    size_t size = out->size < sizeof *from ? out->size : sizeof *from;
    if (size > sizeof out->size) {
        memcpy((char *)out + sizeof out->size, (const char *)from + sizeof from->size,
               size - sizeof from->size);
    }
    return status;
}

static const char *take(const char **at, uint64_t len)
{
    const char *text = *at;
    *at += len + 1;
    return text;
}

/* Behind the head in `memory`. */
static void read_texts(const struct isolate_resource *head, const char *at,
                       struct gleaner_resource *out)
{
    *out = (struct gleaner_resource){.size = sizeof *out,
                                     .http_status = head->http_status,
                                     .is_cut = head->is_cut != 0,
                                     .len = (size_t)head->bytes_len};
    out->url = take(&at, head->url_len);
    out->content_type = take(&at, head->content_type_len);
    out->bytes = take(&at, head->bytes_len);
    out->reason = take(&at, head->reason_len);
}

static bool copy_answer(struct gleaner_task *task, const struct isolate_word *word)
{
    size_t from = (size_t)word->deadline_ns, bytes = (size_t)word->bytes;
    struct isolate_resource head;
    char *page =
        bytes > from ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, ISOLATE_PAGE_FD, 0) : MAP_FAILED;
    if (page == MAP_FAILED) {
        return false;
    }
    task->resource_memory = malloc(bytes - from);
    if (task->resource_memory != NULL) {
        memcpy(task->resource_memory, page + from, bytes - from);
        memcpy(&head, task->resource_memory, sizeof head);
        read_texts(&head, (const char *)task->resource_memory + sizeof head, &task->resource);
    }
    (void)munmap(page, bytes);
    return task->resource_memory != NULL;
}

enum gleaner_status isolate_fetch(struct gleaner_task *task, const char *url, size_t url_len,
                                  uint64_t max_bytes, struct gleaner_resource *out)
{
    static const struct gleaner_resource none = {
        .url = "", .content_type = "", .bytes = "", .reason = "the address is too long"};
    static const struct gleaner_resource no_memory = {
        .url = "", .content_type = "", .bytes = "", .reason = "no memory for the resource"};
    struct isolate_word word = {.magic = ISOLATE_MAGIC,
                                .kind = ISOLATE_FETCH,
                                .value = (int64_t)task->len,
                                .bytes = url_len,
                                .deadline_ns = max_bytes};
    isolate_fetch_reset(task);
    if (url_len > ISOLATE_ADDRESS_MAX) {
        return give(&none, GLEANER_E_INVALID, out);
    }
    if (!isolate_reserve_calls(task, url_len)) {
        return give(&no_memory, GLEANER_E_NOMEM, out);
    }
    memcpy(task->calls + task->len, url, url_len); /* overwritten by the next call */
    isolate_say(&word);
    isolate_hear(&word);
    return copy_answer(task, &word) ? give(&task->resource, (enum gleaner_status)word.value, out)
                                    : give(&no_memory, GLEANER_E_NOMEM, out);
}

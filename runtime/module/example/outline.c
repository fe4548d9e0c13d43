/* SPDX-License-Identifier: Apache-2.0 */
/* A module of somebody else: stores the headings of each page and follows its links. */
#include <gleaner/worker.h>
#include <string.h>

/* The text of each <h1> to <h3> up to the next tag, as an array of {level, text}. */
static uint64_t add_headings(const struct gleaner_host *host, struct gleaner_task *task,
                             const char *at, int deepest)
{
    uint64_t count = 0;
    host->doc_open(task, "headings", true);
    while ((at = strstr(at, "<h")) != NULL && !host->should_stop(task)) {
        int level = at[2] - '0';
        const char *open_end = strchr(at, '>');
        at += 2;
        if (level >= 1 && level <= deepest && open_end != NULL) {
            host->doc_open(task, NULL, false);
            host->doc_int(task, "level", level);
            host->doc_text(task, "text", open_end + 1, strcspn(open_end + 1, "<"));
            host->doc_close(task);
            count++;
        }
    }
    host->doc_close(task);
    return count;
}

static enum gleaner_verdict handle(void *state, const struct gleaner_host *host,
                                   struct gleaner_task *task, const struct gleaner_page *page)
{
    (void)state; /* what open() made; this module needs nothing */
    const char *depth = host->setting(task, "depth"); /* --set outline.depth=2 */
    for (const char *at = page->body; (at = strstr(at, "href=\"http")) != NULL;) {
        at += sizeof "href=\"" - 1;
        host->follow(task, at, strcspn(at, "\"#")); /* absolute ones; scope is the host's matter */
    }
    if (host->doc_begin(task, NULL, page->url, page->url_len) != GLEANER_OK) {
        return GLEANER_PAGE_RETRY; /* the address is the key: the same page again replaces it */
    }
    host->doc_text(task, "url", page->url, page->url_len);
    uint64_t found = add_headings(host, task, page->body, depth != NULL ? depth[0] - '0' : 3);
    host->count(task, "outline_headings", found); /* in gleaner status and the metrics */
    return host->doc_commit(task) == GLEANER_OK ? GLEANER_PAGE_DONE : GLEANER_PAGE_FAILED;
}

static const char *const types[] = {"outline", "page", NULL}; /* page: what a crawl asks for */
static const char *const settings[] = {"depth", NULL};
GLEANER_API extern const struct gleaner_module gleaner_module;
const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "outline",
    .version = "1",
    .types = types,
    .handle = handle,
    .settings = settings,
};

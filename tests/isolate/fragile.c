/* SPDX-License-Identifier: Apache-2.0 */
/* A module that stores each page and follows its links, and breaks where a page says so. */
#include "gleaner/worker.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void break_down(const char *how)
{
    if (strncmp(how, "segfault", 8) == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* sanitizers would exit instead */
        (void)raise(SIGSEGV);
    } else if (strncmp(how, "loop", 4) == 0) {
        static volatile bool goes_on = true;
        while (goes_on) {
        }
    } else if (strncmp(how, "exit", 4) == 0) {
        _exit(7);
    }
}

static enum gleaner_verdict handle(void *state, const struct gleaner_host *host,
                                   struct gleaner_task *task, const struct gleaner_page *page)
{
    (void)state;
    const char *setting = host->setting(task, "word");
    for (const char *at = page->body; (at = strstr(at, "href=\"")) != NULL;) {
        at += 6;
        host->follow(task, at, strcspn(at, "\""));
    }
    if (host->doc_begin(task, NULL, page->url, page->url_len) != GLEANER_OK) {
        return GLEANER_PAGE_RETRY;
    }
    host->doc_text(task, "url", page->url, page->url_len);
    host->doc_text(task, "body", page->body, page->body_len);
    host->doc_text(task, "word", setting != NULL ? setting : "", setting ? strlen(setting) : 0);
    host->doc_int(task, "process", getpid());
    host->doc_open(task, "list", true);
    host->doc_bool(task, NULL, true);
    host->doc_null(task, NULL);
    host->doc_close(task);
    host->count(task, "fragile_pages", 1);
    const char *wish = strstr(page->body, "then ");
    if (wish != NULL) {
        break_down(wish + 5);
    }
    return host->doc_commit(task) == GLEANER_OK ? GLEANER_PAGE_DONE : GLEANER_PAGE_RETRY;
}

static const char *const types[] = {"page", NULL};
GLEANER_API extern const struct gleaner_module gleaner_module;
const struct gleaner_module gleaner_module = {.size = sizeof(struct gleaner_module),
                                              .abi = GLEANER_MODULE_ABI,
                                              .name = "fragile",
                                              .version = "1",
                                              .types = types,
                                              .handle = handle};

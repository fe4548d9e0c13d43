/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module for the suites of runtime/worker. A page whose body starts with "script " says what to
 * do with it, word by word; any other page is a document, and /ok?n=K links to its children of a
 * binary tree with as many nodes as the setting `tree` says. The setting `gate` is a call into the
 * test, which may keep the worker there.
 */
#include "gleaner/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context {
    const struct gleaner_host *host;
    struct gleaner_task *task;
    const struct gleaner_page *page;
    enum gleaner_verdict verdict;
};

static void begin(const struct context *c, const char *key)
{
    if (c->host->doc_begin(c->task, NULL, key, strlen(key)) == GLEANER_OK) {
        c->host->doc_text(c->task, "url", c->page->url, c->page->url_len);
        c->host->doc_date(c->task, "fetched_at", c->page->fetched_at_ms);
    }
}

static void plain(struct context *c)
{
    begin(c, c->page->url);
    if (c->host->doc_commit(c->task) != GLEANER_OK) {
        c->verdict = GLEANER_PAGE_RETRY;
    }
}

static void nested(struct context *c)
{
    const struct gleaner_host *h = c->host;
    begin(c, c->page->url);
    h->doc_open(c->task, "outer", false);
    h->doc_int(c->task, "small", 7);
    h->doc_int(c->task, "large", INT64_C(1) << 40);
    h->doc_open(c->task, "list", true);
    h->doc_text(c->task, NULL, "one", 3);
    h->doc_open(c->task, NULL, false);
    h->doc_bool(c->task, "yes", true);
    h->doc_close(c->task);
    h->doc_null(c->task, NULL);
    h->doc_close(c->task);
    h->doc_date(c->task, "at", 1000);
    h->doc_close(c->task);
    h->doc_text(c->task, "last", "end", 3);
    if (h->doc_commit(c->task) != GLEANER_OK) {
        c->verdict = GLEANER_PAGE_FAILED;
    }
}

/* Commits something and counts under the status's name. */
static void commit_counted(const struct context *c)
{
    char name[32];
    snprintf(name, sizeof(name), "commit_%d", (int)c->host->doc_commit(c->task));
    c->host->count(c->task, name, 1); /* a name that does not outlive the page */
}

static void bad_text(const struct context *c)
{
    static const char text[] = "ok \xff\xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xc3";
    begin(c, c->page->url);
    c->host->doc_text(c->task, "bad", text, sizeof(text) - 1);
    commit_counted(c);
}

static void huge(const struct context *c, size_t part_bytes, int parts)
{
    char *text = malloc(part_bytes);
    if (text == NULL) {
        return;
    }
    memset(text, 'x', part_bytes);
    begin(c, "huge");
    for (int i = 0; i < parts; i++) {
        char name[16];
        snprintf(name, sizeof(name), "part%d", i);
        c->host->doc_text(c->task, name, text, part_bytes);
    }
    commit_counted(c);
    free(text);
}

static void deep(const struct context *c)
{
    begin(c, "deep");
    for (int i = 0; i < 40; i++) {
        c->host->doc_open(c->task, "in", false);
    }
    commit_counted(c);
}

static void aborted(const struct context *c)
{
    begin(c, "aborted");
    c->host->doc_open(c->task, "in", true);
    c->host->doc_abort(c->task);
    c->host->doc_abort(c->task);
    commit_counted(c); /* nothing is open */
    begin(c, "left open");
}

/* What was fetched, as a document: its address is the key. */
static void fetch(const struct context *c, const char *url, uint64_t max_bytes)
{
    struct gleaner_resource got = {.size = sizeof got};
    char key[300];
    enum gleaner_status status = c->host->fetch(c->task, url, strlen(url), max_bytes, &got);
    snprintf(key, sizeof key, "fetched %s", url);
    begin(c, key);
    c->host->doc_text(c->task, "fetched", url, strlen(url));
    c->host->doc_int(c->task, "status", (int64_t)status);
    c->host->doc_int(c->task, "http", got.http_status);
    c->host->doc_int(c->task, "bytes", (int64_t)got.len);
    c->host->doc_bool(c->task, "cut", got.is_cut);
    c->host->doc_text(c->task, "effective", got.url, strlen(got.url));
    c->host->doc_text(c->task, "type", got.content_type, strlen(got.content_type));
    c->host->doc_text(c->task, "reason", got.reason, strlen(got.reason));
    (void)c->host->doc_commit(c->task);
}

static void fetch_often(const struct context *c, long times)
{
    enum gleaner_status status = GLEANER_OK;
    struct gleaner_resource got = {.size = sizeof got};
    for (long i = 0; i < times && status == GLEANER_OK; i++) {
        status = c->host->fetch(c->task, "/ok", 3, 0, &got);
    }
    c->host->count(c->task, status == GLEANER_E_LIMIT ? "limited" : "not limited", 1);
}

static void obey(struct context *c, const char *word)
{
    const struct gleaner_host *h = c->host;
    if (strcmp(word, "doc") == 0) {
        plain(c);
    } else if (strncmp(word, "link=", 5) == 0) {
        h->follow(c->task, word + 5, strlen(word + 5));
    } else if (strcmp(word, "noindex") == 0) {
        h->page_robots(c->task, true, false);
    } else if (strcmp(word, "nofollow") == 0) {
        h->page_robots(c->task, false, true);
    } else if (strcmp(word, "fail") == 0) {
        h->log(c->task, 0, "the script says so");
        c->verdict = GLEANER_PAGE_FAILED;
    } else if (strcmp(word, "retry") == 0) {
        c->verdict = GLEANER_PAGE_RETRY;
    } else if (strcmp(word, "gate") == 0) {
        h->setting(c->task, "gate");
    } else if (strcmp(word, "crash") == 0) {
        raise(SIGKILL);
    } else if (strncmp(word, "fetch=", 6) == 0) {
        fetch(c, word + 6, 0);
    } else if (strncmp(word, "begin=", 6) == 0) {
        fetch(c, word + 6, 1000);
    } else if (strncmp(word, "often=", 6) == 0) {
        fetch_often(c, strtol(word + 6, NULL, 10));
    } else if (strcmp(word, "part") == 0) {
        begin(c, "another document of the page");
        (void)h->doc_commit(c->task);
    } else if (strncmp(word, "listed=", 7) == 0) {
        begin(c, c->page->url);
        h->doc_open(c->task, "links", true);
        h->doc_text(c->task, NULL, word + 7, strlen(word + 7));
        h->doc_close(c->task);
        (void)h->doc_commit(c->task);
        h->follow(c->task, word + 7, strlen(word + 7));
    } else if (strcmp(word, "nested") == 0) {
        nested(c);
    } else if (strcmp(word, "bad") == 0) {
        bad_text(c);
    } else if (strcmp(word, "huge") == 0) {
        huge(c, (size_t)17 << 20, 1);
    } else if (strcmp(word, "parts") == 0) {
        huge(c, (size_t)9 << 20, 200);
    } else if (strcmp(word, "large") == 0) {
        huge(c, (size_t)200 << 10, 1);
    } else if (strcmp(word, "deep") == 0) {
        deep(c);
    } else if (strcmp(word, "abort") == 0) {
        aborted(c);
    }
}

static void run_script(struct context *c, const char *body)
{
    char *copy = strdup(body), *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        obey(c, word);
    }
    free(copy);
}

static void follow_child(const struct context *c, const char *node, long child, long nodes)
{
    char url[200];
    if (child <= nodes) {
        int len =
            snprintf(url, sizeof(url), "%.*s%ld", (int)(node - c->page->url), c->page->url, child);
        c->host->follow(c->task, url, (size_t)len);
    }
}

static void follow_tree(const struct context *c)
{
    const char *node = strstr(c->page->url, "/ok?n=");
    const char *setting = c->host->setting(c->task, "tree");
    if (node != NULL && setting != NULL) {
        node += strlen("/ok?n=");
        long n = strtol(node, NULL, 10), nodes = strtol(setting, NULL, 10);
        follow_child(c, node, 2 * n, nodes);
        follow_child(c, node, 2 * n + 1, nodes);
        follow_child(c, node, 1, nodes);
    }
}

static enum gleaner_verdict handle(void *state, const struct gleaner_host *host,
                                   struct gleaner_task *task, const struct gleaner_page *page)
{
    struct context c = {host, task, page, GLEANER_PAGE_DONE};
    (void)state;
    if (strncmp(page->body, "script ", 7) == 0) {
        run_script(&c, page->body + 7);
        return c.verdict;
    }
    host->count(task, "trees", 1);
    plain(&c);
    follow_tree(&c);
    if (host->setting(task, "random") != NULL) {
        return GLEANER_PAGE_RETRY;
    }
    if (strstr(page->url, "n=5") != NULL) {
        host->setting(task, "gate");
    }
    return c.verdict;
}

static const char *const types[] = {"text", NULL};
__attribute__((visibility("default"))) const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "tiny",
    .version = "1",
    .types = types,
    .handle = handle,
};

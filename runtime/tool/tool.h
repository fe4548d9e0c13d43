/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tool.h
 * The door of runtime/tool: what a person needs while writing a scraper. Each tool shows what the
 * rooms below would do with one address or one page, stores nothing, and takes whole tables with
 * `batch`: one JSON object a line in, one out, in order; a bad line is answered {"error": ...}.
 */
#ifndef TOOL_H
#define TOOL_H

#include "base.h"
#include "fetch.h"
#include "module.h"
#include "queue.h"
#include <stdio.h>

/* Exit codes: 0 and 1 answer the question, as of test(1); the rest is shared with the process. */
enum tool_exit {
    TOOL_YES = 0,   /* allowed, in scope, fetched, found */
    TOOL_NO = 1,    /* not so; or the output is closed */
    TOOL_USAGE = 2, /* the command line is wrong; nothing was done */
    TOOL_STOPPED = 3
};

struct tool_options {
    const char *const *operands;
    size_t operand_count;
    bool batch;        /* read lines from `in` */
    bool json;         /* one JSON object instead of lines for people */
    bool verbose;      /* fetch: the exchange on `err` */
    const char *agent; /* robots: product token */
    const char *file;  /* robots: the robots.txt, instead of fetching it */
    const char *type;  /* scrape: page, text, image, video, or a type of a module */
    const char *url;   /* scrape, sitemap: where a FILE would be; or NULL */
    bool markdown;
    uint32_t handle_ms;                /* limit of a module's work on one page */
    const struct fetch_options *fetch; /* scrape, robots, fetch, sitemap */
    struct module_registry *modules;   /* scrape */
    /* `modules: settings:` of the configuration, as worker_options.setting */
    const char *(*setting)(void *ctx, const char *module, const char *name);
    void *setting_ctx;
    const struct queue_scope_options *scope; /* url: seeds are ignored, BASE is the seed */
    bool (*should_stop)(void);               /* a signal came; may be NULL */
    FILE *in, *out, *err;
};

/**
 * Run one tool. Thread: [startup], [owner]; those that fetch start an engine and stop it again.
 * Returns an exit code (enum tool_exit); errors are sentences on `err`. A batch that was read to
 * its end is TOOL_YES, whatever its answers say.
 */
int tool_scrape(const struct tool_options *options);
int tool_robots(const struct tool_options *options);
int tool_url(const struct tool_options *options);
int tool_fetch(const struct tool_options *options);
int tool_sitemap(const struct tool_options *options);

#endif

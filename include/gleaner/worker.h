/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.h
 * The module ABI of gleaner. A worker module is a shared object that exports one constant,
 * `gleaner_module`, and is compiled against this folder alone. See README.md, "Write a module".
 *
 * Changes (fields are only appended; a module built for version N runs in every later process):
 *   2026-11-23  version 1
 *   2026-11-24  gleaner_host.run; gleaner_page.raw; gleaner_module.settings; gleaner_host.fetch
 *   2026-12-01  gleaner_page.robots_agent
 *
 * Threads: open and close are called once each, with no handle running. handle is called from
 * several worker threads at once, each with its own `task`; no host lock is held; it may block up
 * to the task's deadline. A module keeps no pointer of a task or page after handle returns, starts
 * no threads that outlive close, and never queues RCU callbacks.
 */
#ifndef GLEANER_WORKER_H
#define GLEANER_WORKER_H

#include "gleaner/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLEANER_MODULE_ABI 1
#define GLEANER_MODULE_SYMBOL "gleaner_module"

struct _mongoc_client_t;

/* Of gleaner_host.run: may the operation be done twice? */
enum gleaner_repetition {
    GLEANER_ONCE = 0,      /**< repeated only when a failure says that it was not done */
    GLEANER_IDEMPOTENT = 1 /**< doing it twice leaves the same as doing it once */
};
/* One try. True when it is done; else *error_domain and *error_code are the driver's. */
typedef bool (*gleaner_task_operation)(void *ctx, struct _mongoc_client_t *client,
                                       const char *database, uint32_t *error_domain,
                                       uint32_t *error_code);

struct gleaner_task; /* one page in work; opaque, belongs to the host */

/* A fetched page. Pointers are valid until handle returns. Strings are NUL-terminated. */
struct gleaner_page {
    size_t size;     /**< sizeof in the host */
    const char *url; /**< effective address, normalised, no fragment */
    size_t url_len;
    const char *body; /**< UTF-8, NUL-terminated */
    size_t body_len;
    const char *content_type; /**< as sent, "" if none */
    const char *charset;      /**< what the body was decoded from, "UTF-8" etc. */
    const char *type;         /**< what was asked for: page, text, image, video, files */
    int http_status;
    uint32_t depth;
    int64_t fetched_at_ms; /**< wall clock, UTC */
    bool want_markdown;    /**< --content markdown: text as markdown */
    bool want_links;       /**< false: links would be thrown away (depth limit) */

    /* -- since 2026-11-24: there when size reaches it -- */

    const void *raw; /**< the body before it was decoded to UTF-8: images and the like */
    size_t raw_len;

    /* -- since 2026-12-01: there when size reaches it -- */

    const char *robots_agent; /**< our product token: <meta name=TOKEN> is for us, as name=robots
                                   is for all; NULL or "" when there is none */
};

/* What gleaner_host.fetch got. Pointers are valid until the task's next fetch, or until handle
 * returns. Strings are NUL-terminated and never NULL. */
struct gleaner_resource {
    size_t size;              /**< sizeof in the module; set it before the call */
    int http_status;          /**< 0 = there was no answer */
    const char *url;          /**< effective address, behind redirects */
    const char *content_type; /**< as sent, "" if none */
    const void *bytes;        /**< without its content coding; otherwise as it came */
    size_t len;
    bool is_cut;        /**< max_bytes came: there may be more */
    const char *reason; /**< why it failed, a sentence; "" when it did not */
};

/* Services of the host. All functions: called from handle, on its thread, with its task. */
struct gleaner_host {
    size_t size;  /**< sizeof in the host */
    uint32_t abi; /**< GLEANER_MODULE_ABI of the host */

    /* -- emit a document: begin, add fields in order, commit. One at a time per task.
     * collection NULL = the crawl's own; key makes the id: the same key replaces. Text is UTF-8;
     * the host repairs what is not. commit: GLEANER_E_LIMIT when over 16 MB (nothing is stored). */
    enum gleaner_status (*doc_begin)(struct gleaner_task *task, const char *collection,
                                     const char *key, size_t key_len);
    void (*doc_text)(struct gleaner_task *task, const char *name, const char *text, size_t len);
    void (*doc_int)(struct gleaner_task *task, const char *name, int64_t value);
    void (*doc_bool)(struct gleaner_task *task, const char *name, bool value);
    void (*doc_date)(struct gleaner_task *task, const char *name, int64_t ms_since_1970);
    void (*doc_null)(struct gleaner_task *task, const char *name);
    /** Open an object or an array inside the document (name is ignored inside arrays). */
    void (*doc_open)(struct gleaner_task *task, const char *name, bool is_array);
    void (*doc_close)(struct gleaner_task *task);
    enum gleaner_status (*doc_commit)(struct gleaner_task *task);
    void (*doc_abort)(struct gleaner_task *task);

    /** Follow a link: absolute http(s) URL, normalised (WHATWG), no fragment. Scope, depth and
     *  de-duplication are the host's matter. */
    void (*follow)(struct gleaner_task *task, const char *url, size_t len);

    /** level: 0 error, 1 warning, 2 information, 3 debug. */
    void (*log)(struct gleaner_task *task, int level, const char *message);
    /** Add to a named counter shown in status and metrics; `name` must live as long as the module.
     */
    void (*count)(struct gleaner_task *task, const char *name, uint64_t n);

    /** A MongoDB client, or a reason, within timeout_ms; never an endless wait.
     *  GLEANER_E_DOWN when there is none now (embedded store included). Give it back with
     *  check_in; error_domain / error_code are the driver's (0, 0 = all went well). */
    enum gleaner_status (*check_out)(struct gleaner_task *task, uint32_t timeout_ms,
                                     struct _mongoc_client_t **client, const char **database);
    void (*check_in)(struct gleaner_task *task, uint32_t error_domain, uint32_t error_code);

    /** Monotonic nanoseconds by which handle must have returned; the watchdog acts after it. */
    uint64_t (*deadline_ns)(struct gleaner_task *task);
    /** True when the process stops or the deadline passed: return soon. */
    bool (*should_stop)(struct gleaner_task *task);
    /** A setting of this module: the VALUE of the configuration's `modules: settings:` entry
     *  `MODULE.NAME=VALUE` (on the command line `--set MODULE.NAME=VALUE`), or NULL. Valid until
     *  close. */
    const char *(*setting)(struct gleaner_task *task, const char *name);

    /** Outcome of a submission (type text, image, video): found or not; without this call the host
     *  derives it from whether a document was committed. */
    void (*content_found)(struct gleaner_task *task, bool found);
    /** robots directives found in the page itself. nofollow: links of this task are dropped;
     *  noindex: its documents are dropped. */
    void (*page_robots)(struct gleaner_task *task, bool noindex, bool nofollow);

    /* -- since 2026-11-24: there when size reaches it -- */

    /**
     * check_out, the operation, check_in, and again on another client where that is safe, within
     * timeout_ms and the task's deadline. `why` (may be NULL) is told what failed and, when it was
     * not repeated, why not. Not while this task has a client checked out (GLEANER_E_BUSY).
     * GLEANER_E_DOWN when there is none now; else by the class of the last failure.
     */
    enum gleaner_status (*run)(struct gleaner_task *task, uint32_t timeout_ms,
                               enum gleaner_repetition repetition, gleaner_task_operation operation,
                               void *ctx, char *why, size_t why_size);

    /**
     * Fetch what belongs to the page: an image, a style sheet. It goes the way of all requests:
     * address guard, robots.txt, delays and limits of its host, redirects. `url` is absolute, or
     * relative to the page's. With max_bytes only the beginning is asked for (Range) and kept; 0 =
     * all of it, within the limit of pages.
     *
     * Blocks, at most until the task's deadline or a stop; the thread does nothing else meanwhile.
     * GLEANER_OK: an answer of 2xx. GLEANER_E_NOT_FOUND, _AUTH: 4xx. GLEANER_E_REFUSED: guard,
     * robots.txt, or a host that is another process's now. GLEANER_E_BUSY: the host asks for a
     * pause. GLEANER_E_LIMIT: too large, or the page's share (256) is used up. GLEANER_E_NETWORK,
     * _TIMEOUT: it failed. GLEANER_E_INVALID: no http(s) address. GLEANER_E_CLOSED: a stop.
     * GLEANER_E_UNSUPPORTED: nothing can be fetched for this page (a file of a directory, a tool).
     */
    enum gleaner_status (*fetch)(struct gleaner_task *task, const char *url, size_t url_len,
                                 uint64_t max_bytes, struct gleaner_resource *out);
};

enum gleaner_verdict {
    GLEANER_PAGE_DONE = 0,   /**< processed (a page without content is done, too) */
    GLEANER_PAGE_RETRY = 1,  /**< try again later; counts as an attempt */
    GLEANER_PAGE_FAILED = 2, /**< cannot be processed; dead letter with the reason logged last */
    GLEANER_PAGE_SKIPPED = 3 /**< not for this module (content type); done without a document */
};

struct gleaner_module {
    size_t size;      /**< sizeof(struct gleaner_module) at its build */
    uint32_t abi;     /**< GLEANER_MODULE_ABI at its build */
    const char *name; /**< [a-z0-9_]{1,31} */
    const char *version;
    const char *const *types; /**< NULL-terminated: which job types it takes */
    /** Once, before any handle. *state is passed to the others. May be NULL. */
    enum gleaner_status (*open)(const struct gleaner_host *host, void **state);
    /** One page. */
    enum gleaner_verdict (*handle)(void *state, const struct gleaner_host *host,
                                   struct gleaner_task *task, const struct gleaner_page *page);
    /** Once, after every handle. May be NULL. */
    void (*close)(void *state);
    /** NULL-terminated: names that it asks gleaner_host.setting for; a configuration that names
     *  another one is refused. NULL = whatever is configured is taken. */
    const char *const *settings;
};

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file isolate.h
 * Inside runtime/module: modules in child processes.
 *
 * A registry in isolation gives out a stand-in for each module: its handle hands the page to a
 * child process (gleaner-module-host, which has loaded the module), waits, and repeats at the host
 * what the child's module called. A child that dies or overruns the task's deadline takes one page
 * with it: that page's verdict is MODULE_PAGE_CRASHED.
 *
 * Between parent and child: a socket for a word in each direction, and two memory files, one for
 * the page, one for the calls. Both may grow and are sealed against shrinking, so neither side can
 * make the other one fault.
 */
#ifndef MODULE_ISOLATE_H
#define MODULE_ISOLATE_H

#include "module_internal.h"

/* ---- what is said ---- */

#define ISOLATE_MAGIC UINT32_C(0x69736f6c)
enum {
    ISOLATE_SOCKET_FD = 3, /* in the child */
    ISOLATE_PAGE_FD = 4,
    ISOLATE_CALLS_FD = 5,
    ISOLATE_FILE_FD = 6, /* the module */
    ISOLATE_FDS = 7,
    ISOLATE_TEXT = 240,
    ISOLATE_DESCRIPTION_MAX = 64 << 10,
    ISOLATE_CALLS_MAX = 256 << 20 /* of one page */
};

enum isolate_kind {
    ISOLATE_HELLO,   /* child: loaded, or not: value = status, text = why not, bytes = of the calls
                        file: name and version, types, names of settings (if it says any); a NUL
                        after each and after each list */
    ISOLATE_PAGE,    /* parent: bytes = of the page file, deadline_ns */
    ISOLATE_DONE,    /* child: value = verdict, bytes = of the calls file */
    ISOLATE_SETTING, /* child: text = name; the parent answers with the same kind, value = it is
                        set, bytes = of the page file behind the page */
    ISOLATE_FETCH    /* child: bytes = of the address, which lies in the calls file at value;
                        deadline_ns = max_bytes. The parent answers with the same kind, value =
                        status, bytes = of the page file, deadline_ns = where in it the
                        isolate_resource is */
};
struct isolate_word {
    uint32_t magic;
    uint32_t kind;
    int64_t value;
    uint64_t bytes;
    uint64_t deadline_ns;
    char text[ISOLATE_TEXT];
};

/* The page file: this, then the strings one behind the other, each with a NUL. */
struct isolate_page {
    uint64_t url_len, body_len, content_type_len, charset_len, type_len, raw_len, robots_agent_len;
    int64_t fetched_at_ms;
    int32_t http_status;
    uint32_t depth;
    uint8_t want_markdown, want_links;
    uint8_t raw; /* enum isolate_raw */
};
enum isolate_raw {
    ISOLATE_RAW_NONE,
    ISOLATE_RAW_BODY, /* the same bytes: they are there once */
    ISOLATE_RAW_OWN
};

/* Behind the page: this, then url, content type, bytes and reason, each with a NUL. */
struct isolate_resource {
    uint64_t url_len, content_type_len, bytes_len, reason_len;
    int32_t http_status;
    uint8_t is_cut;
};
enum { ISOLATE_ADDRESS_MAX = 65536 };

/* The calls file: one of these, name and text (no NULs) behind it, padded to 8 bytes. */
enum isolate_call_kind {
    CALL_DOC_BEGIN = 1, /* number: 1 = collection given (name) */
    CALL_DOC_TEXT,
    CALL_DOC_INT,
    CALL_DOC_BOOL,
    CALL_DOC_DATE,
    CALL_DOC_NULL,
    CALL_DOC_OPEN,
    CALL_DOC_CLOSE,
    CALL_DOC_COMMIT,
    CALL_DOC_ABORT,
    CALL_FOLLOW,
    CALL_LOG,
    CALL_COUNT,
    CALL_CONTENT_FOUND,
    CALL_PAGE_ROBOTS
};
struct isolate_call {
    uint32_t kind, name_len;
    int64_t number;
    uint64_t text_len;
};

/* ---- the parent's side ---- */

/* One process: the parent's end of it. */
struct isolate_child {
    pid_t pid;
    int socket, page_fd, calls_fd;
    char *page;
    size_t page_cap, page_used;
    struct base_buffer calls; /* a copy: what is judged does not change while it is */
};

/** Start a child of a module whose file is open as `file`; `path` is its name for people. What it
 *  says of itself is in *description (may be NULL). GLEANER_E_*: the child's words. */
GLEANER_MUST_CHECK enum gleaner_status isolate_child_start(const char *program, const char *path,
                                                           int file, struct isolate_child **out,
                                                           struct base_buffer *description,
                                                           struct base_error *error);
/** Kill and reap. NULL accepted. */
void isolate_child_end(struct isolate_child **child);

enum isolate_end { ISOLATE_ANSWERED, ISOLATE_DIED, ISOLATE_OVERRAN, ISOLATE_NO_MEMORY };
/** One page; `why` says how it ended when it was not answered (the child is dead then). */
enum isolate_end isolate_child_handle(struct isolate_child *child, const struct gleaner_host *host,
                                      struct gleaner_task *task, const struct gleaner_page *page,
                                      enum gleaner_verdict *verdict, char *why, size_t why_size);
/** Map the page file at least this large. False without memory. */
bool isolate_reserve_page(struct isolate_child *child, size_t bytes);
/** Append bytes and a NUL; returns the end. */
char *isolate_put(char *to, const void *bytes, size_t len);
bool isolate_send(const struct isolate_child *child, const struct isolate_word *word);
/** isolate_answer.c: what a child asks for while its module runs, behind the page. False when it
 *  makes no sense, or the child is gone. */
bool isolate_answer(struct isolate_child *child, const struct gleaner_host *host,
                    struct gleaner_task *task, struct isolate_word *word, size_t page_bytes);
/** Repeat the calls at the host. False when they are not well-formed. */
bool isolate_replay(const char *calls, size_t len, const struct gleaner_host *host,
                    struct gleaner_task *task, enum gleaner_verdict *verdict);

/** Load a module as a stand-in: fills loaded->module and state. */
GLEANER_MUST_CHECK enum gleaner_status
isolate_open(const char *program, struct module_loaded *loaded, struct base_error *error);

#endif

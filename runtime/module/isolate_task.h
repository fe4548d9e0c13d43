/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the child process: the page in work, and talking to the parent. One thread. */
#ifndef MODULE_ISOLATE_TASK_H
#define MODULE_ISOLATE_TASK_H

#include "isolate.h"

enum { ISOLATE_SETTINGS_MAX = 64 };

/* Settings are asked for once; the module may keep the pointers until its close. */
struct isolate_setting {
    char *name, *value; /* value NULL = not set */
};

struct gleaner_task {
    char *calls; /* the mapped file */
    size_t len, cap;
    bool failed; /* no memory, or over the limit of a page */
    bool has_document;
    size_t document_bytes; /* upper bound, as the parent counts */
    enum gleaner_status document_status;
    uint64_t deadline_ns;
    struct isolate_setting settings[ISOLATE_SETTINGS_MAX];
    size_t setting_count;
    struct gleaner_resource resource; /* of the last fetch; its texts are in one piece of memory */
    void *resource_memory;
};

extern const struct gleaner_host isolate_services;
/** Room for more bytes in the calls file, behind task->len. */
bool isolate_reserve_calls(struct gleaner_task *task, size_t more);
/** isolate_fetch.c: the service `fetch`. */
enum gleaner_status isolate_fetch(struct gleaner_task *task, const char *url, size_t url_len,
                                  uint64_t max_bytes, struct gleaner_resource *out);
void isolate_fetch_reset(struct gleaner_task *task);
/** A word to and from the parent; without a parent the process ends. */
void isolate_say(const struct isolate_word *word);
void isolate_hear(struct isolate_word *word);

#endif

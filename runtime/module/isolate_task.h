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
};

extern const struct gleaner_host isolate_services;
/** A word to and from the parent; without a parent the process ends. */
void isolate_say(const struct isolate_word *word);
void isolate_hear(struct isolate_word *word);

#endif

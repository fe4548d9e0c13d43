/* SPDX-License-Identifier: Apache-2.0 */
#include "memcpy_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct memcpy_sink *sink_of(struct gleaner_task *task)
{
    return (struct memcpy_sink *)(void *)task;
}

static void append(struct memcpy_sink *sink, const void *data, size_t len)
{
    if (sink->cap - sink->len < len) {
        sink->cap = (sink->cap + len) * 2;
        sink->data = realloc(sink->data, sink->cap);
        if (sink->data == NULL) {
            abort();
        }
    }
    memcpy(sink->data + sink->len, data, len);
    sink->len += len;
}

static void append_name(struct memcpy_sink *sink, char type, const char *name)
{
    append(sink, &type, 1);
    if (!sink->in_array) {
        append(sink, name, strlen(name) + 1);
        return;
    }
    char digits[12];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    unsigned rest = sink->index++;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    append(sink, digits + at, sizeof digits - at);
}

static enum gleaner_status doc_begin(struct gleaner_task *task, const char *collection,
                                     const char *key, size_t key_len)
{
    (void)collection;
    sink_of(task)->len = 0;
    append(sink_of(task), key, key_len);
    return GLEANER_OK;
}

static void doc_text(struct gleaner_task *task, const char *name, const char *text, size_t len)
{
    struct memcpy_sink *sink = sink_of(task);
    append_name(sink, 2, name);
    int32_t size = (int32_t)len + 1;
    append(sink, &size, sizeof size);
    append(sink, text, len);
    append(sink, "", 1);
}

static void doc_int(struct gleaner_task *task, const char *name, int64_t value)
{
    append_name(sink_of(task), 18, name);
    append(sink_of(task), &value, sizeof value);
}

static void doc_bool(struct gleaner_task *task, const char *name, bool value)
{
    append_name(sink_of(task), 8, name);
    append(sink_of(task), &value, 1);
}

static void doc_null(struct gleaner_task *task, const char *name)
{
    append_name(sink_of(task), 10, name);
}

static void doc_open(struct gleaner_task *task, const char *name, bool is_array)
{
    (void)is_array;
    append_name(sink_of(task), 4, name);
    append(sink_of(task), "\0\0\0\0", 4);
    sink_of(task)->in_array = true;
    sink_of(task)->index = 0;
}

static void doc_close(struct gleaner_task *task)
{
    append(sink_of(task), "", 1);
    sink_of(task)->in_array = false;
}

static enum gleaner_status doc_commit(struct gleaner_task *task)
{
    sink_of(task)->documents++;
    sink_of(task)->bytes += sink_of(task)->len;
    return GLEANER_OK;
}

static void doc_abort(struct gleaner_task *task)
{
    sink_of(task)->len = 0;
}

static void follow(struct gleaner_task *task, const char *url, size_t len)
{
    (void)url;
    (void)len;
    sink_of(task)->links++;
}

static void log_line(struct gleaner_task *task, int level, const char *message)
{
    (void)task;
    fprintf(stderr, "module, level %d: %s\n", level, message);
}

static void count(struct gleaner_task *task, const char *name, uint64_t n)
{
    sink_of(task)->tree_passes += strcmp(name, "text_tree_passes") == 0 ? n : 0;
}

static bool should_stop(struct gleaner_task *task)
{
    (void)task;
    return false;
}

static void content_found(struct gleaner_task *task, bool found)
{
    (void)task;
    (void)found;
}

static void page_robots(struct gleaner_task *task, bool noindex, bool nofollow)
{
    (void)task;
    (void)noindex;
    (void)nofollow;
}

static const char *setting(struct gleaner_task *task, const char *name)
{
    (void)task;
    (void)name;
    return NULL; /* as in a plain crawl */
}

const struct gleaner_host memcpy_host = {
    .size = sizeof memcpy_host,
    .abi = GLEANER_MODULE_ABI,
    .doc_begin = doc_begin,
    .doc_text = doc_text,
    .doc_int = doc_int,
    .doc_bool = doc_bool,
    .doc_date = doc_int,
    .doc_null = doc_null,
    .doc_open = doc_open,
    .doc_close = doc_close,
    .doc_commit = doc_commit,
    .doc_abort = doc_abort,
    .follow = follow,
    .log = log_line,
    .count = count,
    .should_stop = should_stop,
    .content_found = content_found,
    .page_robots = page_robots,
    .setting = setting,
};

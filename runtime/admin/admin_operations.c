/* SPDX-License-Identifier: Apache-2.0 */
/* The commands sent to the server by shape: the costliest as metrics and JSON, the slow ones as
 * text with what would help. */
#include "admin_internal.h"
#include <string.h>

#define OPERATIONS_SHOWN 10

void admin_append_slow_text(const struct admin_sources *sources, struct base_buffer *out)
{
    char slow[12000];
    if (sources->db == NULL) {
        return;
    }
    (void)gleaner_monitor_slow(sources->db, slow, sizeof slow);
    int shown = 0;
    for (char *rest = slow; rest != NULL && *rest != '\0' && shown < OPERATIONS_SHOWN; shown++) {
        char *line = strsep(&rest, "\n");
        base_buffer_printf(out, "slow       %s\n", line);
    }
}

static size_t read_operations(const struct admin_sources *sources,
                              struct gleaner_operation out[OPERATIONS_SHOWN])
{
    return sources->db == NULL
               ? 0
               : gleaner_monitor_operations(sources->db, out, sizeof out[0], OPERATIONS_SHOWN);
}

static void append_text(struct base_buffer *out, const char *name, const char *text)
{
    base_buffer_printf(out, "\"%s\":", name);
    base_buffer_append_json(out, text, strlen(text));
    base_buffer_append_char(out, ',');
}

void admin_append_operations_json(const struct admin_sources *sources, struct base_buffer *out)
{
    struct gleaner_operation operations[OPERATIONS_SHOWN];
    size_t count = read_operations(sources, operations);
    base_buffer_append_str(out, ",\"shapes\":[");
    for (size_t i = 0; i < count; i++) {
        const struct gleaner_operation *one = &operations[i];
        base_buffer_append_str(out, i > 0 ? ",{" : "{");
        append_text(out, "command", one->command);
        append_text(out, "where", one->where);
        append_text(out, "shape", one->shape);
        append_text(out, "advice", one->advice);
        base_buffer_printf(out,
                           "\"count\":%llu,\"failed\":%llu,\"recent\":%llu,\"slow\":%llu,"
                           "\"total_us\":%llu,\"p50_us\":%llu,\"p95_us\":%llu,\"max_us\":%llu}",
                           (unsigned long long)one->count, (unsigned long long)one->failed,
                           (unsigned long long)one->recent, (unsigned long long)one->slow,
                           (unsigned long long)one->total_us, (unsigned long long)one->p50_us,
                           (unsigned long long)one->p95_us, (unsigned long long)one->max_us);
    }
    base_buffer_append_char(out, ']');
}

/* A label's value: quotes, backslashes and line ends escaped, as the format wants it; JSON's string
 * does the same for what can be in a name. */
static void append_label(struct base_buffer *out, const char *name, const char *text)
{
    base_buffer_printf(out, "%s=", name);
    base_buffer_append_json(out, text, strlen(text));
}

void admin_append_operations_metrics(const struct admin_sources *sources, struct base_buffer *out)
{
    struct gleaner_operation operations[OPERATIONS_SHOWN];
    size_t count = read_operations(sources, operations);
    if (count == 0) {
        return;
    }
    base_buffer_append_str(out, "# HELP gleaner_db_operation_p95_microseconds of the last minutes, "
                                "by shape of command, the costliest\n"
                                "# TYPE gleaner_db_operation_p95_microseconds gauge\n");
    for (size_t i = 0; i < count; i++) {
        base_buffer_append_str(out, "gleaner_db_operation_p95_microseconds{");
        append_label(out, "command", operations[i].command);
        base_buffer_append_char(out, ',');
        append_label(out, "where", operations[i].where);
        base_buffer_append_char(out, ',');
        append_label(out, "shape", operations[i].shape);
        base_buffer_printf(out, "} %llu\n", (unsigned long long)operations[i].p95_us);
    }
}

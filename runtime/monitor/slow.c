/* SPDX-License-Identifier: Apache-2.0 */
/* Slow operations: how many in a minute, of which shape, and for each slow shape one explain ever,
 * run by a connector on the probe client while the supervisor goes on. */
#include "monitor_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_NS (300 * BASE_NS_PER_S) /* times shown are of 5 to 10 minutes */

/* ---- the explain ---- */

struct explain_errand {
    struct supervisor_errand errand;
    enum gleaner_status (*explain)(mongo_client *client, const struct mongo_sample *sample,
                                   struct mongo_plan *out, struct mongo_error *error);
    struct mongo_sample *sample;
    uint32_t id;
    enum gleaner_status status;
    struct mongo_plan plan;
    char why[160];
};

/* A refusal is an answer; only a broken way costs the probe client. */
static enum gleaner_status run_explain(struct supervisor_errand *errand, void *client,
                                       struct mongo_error *error)
{
    struct explain_errand *self = BASE_CONTAINER_OF(errand, struct explain_errand, errand);
    self->status = self->explain(client, self->sample, &self->plan, error);
    snprintf(self->why, sizeof(self->why), "%.159s", error->message);
    bool is_broken = self->status == GLEANER_E_NETWORK || self->status == GLEANER_E_TIMEOUT;
    return is_broken ? self->status : GLEANER_OK;
}

static void dispose_explain(struct supervisor_errand *errand)
{
    struct explain_errand *self = BASE_CONTAINER_OF(errand, struct explain_errand, errand);
    mongo_sample_destroy(&self->sample);
    free(self);
}

static void give_advice(struct monitors *monitors, uint32_t id, const char *text)
{
    struct advice *advice = &monitors->advice[id];
    struct mongo_shape shape;
    snprintf(advice->text, sizeof(advice->text), "%s", text);
    atomic_store_explicit(&advice->is_given, true, memory_order_release);
    if (mongo_watch_read(monitors->config.watch, id, &shape)) {
        base_log_warn(
            "monitor", "event=slow_operation shape=\"%s %s %s\" p95_ms=%llu advice=\"%s\"",
            shape.command, shape.where, shape.text, (unsigned long long)shape.p95_us / 1000, text);
    }
}

static void explained(void *ctx, const struct supervisor_answer *answer)
{
    struct monitors *monitors = ctx;
    monitors->is_explaining = false;
    if (answer->errand == NULL) {
        return; /* it hangs; a shape is explained once or not at all */
    }
    const struct explain_errand *self =
        BASE_CONTAINER_OF(answer->errand, struct explain_errand, errand);
    char text[ADVICE_TEXT];
    struct mongo_shape shape;
    if (self->status == GLEANER_OK && mongo_watch_read(monitors->config.watch, self->id, &shape)) {
        advice_of_plan(&self->plan, shape.where, text, sizeof(text));
    } else {
        snprintf(text, sizeof(text), "no explain: %s", self->why);
    }
    give_advice(monitors, self->id, text);
}

static void send_explain(struct monitors *monitors, uint32_t id, struct mongo_sample *sample)
{
    struct explain_errand *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        mongo_sample_destroy(&sample);
        return;
    }
    self->errand.run = run_explain;
    self->errand.dispose = dispose_explain;
    self->explain = monitors->config.explain != NULL ? monitors->config.explain : mongo_explain;
    self->sample = sample;
    self->id = id;
    enum gleaner_status status =
        supervisor_send(monitors->supervisor, &self->errand, explained, monitors);
    if (status == GLEANER_E_DOWN || status == GLEANER_E_BUSY) {
        mongo_watch_return_sample(monitors->config.watch, id, sample); /* at the next look */
        free(self);
        return;
    }
    monitors->is_explaining = status == GLEANER_OK;
    atomic_fetch_add_explicit(&monitors->explains, 1, memory_order_relaxed);
}

/* At most one at a look, so that a burst of new shapes is no load for a server that is slow. */
static void explain_next(struct monitors *monitors)
{
    struct mongo_sample *sample;
    for (uint32_t id = 0; id < MONGO_SHAPES && !monitors->is_explaining; id++) {
        if (mongo_watch_take_sample(monitors->config.watch, id, &sample) == MONGO_SAMPLE_READY) {
            send_explain(monitors, id, sample);
            return;
        }
    }
}

/* ---- the alert ---- */

static bool is_worse(const struct mongo_shape *a, const struct mongo_shape *b)
{
    return a->slow > 0 && (b->slow == 0 || a->total_us > b->total_us);
}

static void describe(struct monitors *monitors, char *out, size_t out_size)
{
    struct mongo_shape shape, worst = {0};
    char words[200];
    for (uint32_t id = 0; id <= MONGO_SHAPES; id++) {
        if (mongo_watch_read(monitors->config.watch, id, &shape) && is_worse(&shape, &worst)) {
            worst = shape;
        }
    }
    words_about_server(monitors, words, sizeof(words));
    snprintf(out, out_size, "most time goes to %.40s %.80s %.100s; the server: %s", worst.command,
             worst.where, worst.text, words);
}

/* Slow ones in the last 60 s: a mark each look. */
static uint64_t count_recent(struct monitors *monitors, uint64_t slow)
{
    uint64_t oldest = monitors->slow_marks[monitors->next_mark];
    monitors->slow_marks[monitors->next_mark] = slow;
    monitors->next_mark = (monitors->next_mark + 1) % SLOW_MARKS;
    return slow - oldest;
}

void slow_look(struct monitors *monitors, uint64_t now_ns)
{
    struct mongo_watch *watch = monitors->config.watch;
    if (watch == NULL) {
        return;
    }
    uint64_t slow = mongo_watch_slow_count(watch);
    uint64_t recent = count_recent(monitors, slow);
    if (now_ns - monitors->window_began_ns >= WINDOW_NS) {
        monitors->window_began_ns = now_ns;
        mongo_watch_turn(watch);
    }
    char detail[ALERT_DETAIL] = "";
    if (recent > 0) {
        describe(monitors, detail, sizeof(detail));
    }
    if (slow > 0) {
        explain_next(monitors);
    }
    alerts_measure_with(&monitors->alerts, ALERT_SLOW, (int64_t)recent, detail);
}

/* ---- showing: [any] ---- */

static int compare_cost(const void *a, const void *b)
{
    const struct mongo_shape *left = a, *right = b;
    return left->total_us < right->total_us ? 1 : left->total_us > right->total_us ? -1 : 0;
}

static struct mongo_shape *read_shapes(struct monitors *monitors, size_t *count)
{
    struct mongo_shape *shapes = calloc(MONGO_SHAPES + 1, sizeof(*shapes));
    *count = 0;
    if (shapes == NULL || monitors->config.watch == NULL) {
        return shapes;
    }
    for (uint32_t id = 0; id <= MONGO_SHAPES; id++) {
        *count += mongo_watch_read(monitors->config.watch, id, &shapes[*count]) ? 1 : 0;
    }
    qsort(shapes, *count, sizeof(*shapes), compare_cost);
    return shapes;
}

static const char *advice_for(const struct monitors *monitors, const struct mongo_shape *shape)
{
    const struct advice *advice = &monitors->advice[shape->id];
    if (shape->slow == 0) {
        return ""; /* what was said of a slow time may have been done */
    }
    return atomic_load_explicit(&advice->is_given, memory_order_acquire)
               ? advice->text
               : advice_of_command(shape->command);
}

static void fill_operation(const struct monitors *monitors, const struct mongo_shape *shape,
                           struct gleaner_operation *out)
{
    *out = (struct gleaner_operation){
        .count = shape->count,
        .failed = shape->failed,
        .recent = shape->recent,
        .slow = shape->slow,
        .total_us = shape->total_us,
        .p50_us = shape->p50_us,
        .p95_us = shape->p95_us,
        .max_us = shape->max_us,
    };
    snprintf(out->command, sizeof(out->command), "%s", shape->command);
    snprintf(out->where, sizeof(out->where), "%s", shape->where);
    snprintf(out->shape, sizeof(out->shape), "%s", shape->text);
    snprintf(out->advice, sizeof(out->advice), "%s", advice_for(monitors, shape));
}

size_t monitors_operations(struct monitors *monitors, struct gleaner_operation *out,
                           size_t entry_size, size_t most)
{
    size_t count;
    struct mongo_shape *shapes = read_shapes(monitors, &count);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++) {
        struct gleaner_operation operation;
        fill_operation(monitors, &shapes[i], &operation);
        size_t size = entry_size < sizeof(operation) ? entry_size : sizeof(operation);
        memcpy((char *)out + i * entry_size, &operation, size);
    }
    free(shapes);
    return count;
}

size_t monitors_slow(struct monitors *monitors, char *buf, size_t buf_size)
{
    size_t count, len = 0;
    struct mongo_shape *shapes = read_shapes(monitors, &count);
    if (buf_size > 0) {
        buf[0] = '\0';
    }
    for (size_t i = 0; i < count; i++) {
        const struct mongo_shape *shape = &shapes[i];
        if (shape->slow == 0) {
            continue;
        }
        const char *advice = advice_for(monitors, shape);
        size_t room = len < buf_size ? buf_size - len : 0;
        int written =
            snprintf(room > 0 ? buf + len : NULL, room,
                     "%s %s%s%s: %llu of %llu slow, p50 %.1f ms, p95 %.1f ms, max %.1f ms%s%s\n",
                     shape->command, shape->where, shape->text[0] != '\0' ? " " : "", shape->text,
                     (unsigned long long)shape->slow, (unsigned long long)shape->recent,
                     (double)shape->p50_us / 1e3, (double)shape->p95_us / 1e3,
                     (double)shape->max_us / 1e3, advice[0] != '\0' ? "; " : "", advice);
        len += written > 0 ? (size_t)written : 0;
    }
    free(shapes);
    return len;
}

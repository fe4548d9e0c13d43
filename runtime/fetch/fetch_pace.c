/* SPDX-License-Identifier: Apache-2.0 */
/* When a host may be asked again: delays (configured, Crawl-delay, adapted to its latency), holds
 * (Retry-After, 429), and whether it is ours to ask at all. */
#include "fetch_internal.h"
#include <stdlib.h>
#include <string.h>

#define BACK_OFF_FIRST_MS UINT64_C(1000)
#define BACK_OFF_DOUBLINGS 6 /* 64 s */
#define NOT_OURS_MS 250      /* a request is given back for so long */

/* ---- delays --------------------------------------------------------------------------------- */

static uint64_t configured_ns(const struct fetch_thread *t, const struct fetch_host *host)
{
    uint64_t own =
        atomic_load_explicit(&t->engine->delay_ms, memory_order_relaxed) * BASE_NS_PER_MS;
    return own > host->crawl_delay_ns ? own : host->crawl_delay_ns;
}

uint64_t fetch_host_delay_ns(const struct fetch_thread *t, const struct fetch_host *host)
{
    uint64_t least = configured_ns(t, host);
    return host->adapted_delay_ns > least ? host->adapted_delay_ns : least;
}

void fetch_host_answered(struct fetch_thread *t, struct fetch_host *host)
{
    uint64_t delay_ns = fetch_host_delay_ns(t, host);
    host->unanswered--;
    host->next_start_ns = base_mono_ns() + delay_ns;
    fetch_host_place(t, host);
}

/* As Scrapy's AutoThrottle with one request at a time as its target: the mean of the old delay and
 * the latency, but at least the latency; errors, which are often quick, never shorten it. */
void fetch_host_adapt(struct fetch_thread *t, struct fetch_host *host, uint64_t latency_ns,
                      bool is_good)
{
    uint64_t most =
        atomic_load_explicit(&t->engine->max_delay_ms, memory_order_relaxed) * BASE_NS_PER_MS;
    uint64_t old = fetch_host_delay_ns(t, host);
    uint64_t mean = (old + latency_ns) / 2;
    uint64_t wanted = mean > latency_ns ? mean : latency_ns;
    if (is_good) {
        host->throttled_in_row = 0;
    }
    if (most == 0) {
        host->adapted_delay_ns = 0;
        return;
    }
    if (!is_good && wanted < old) {
        return;
    }
    host->adapted_delay_ns = wanted < most ? wanted : most;
    uint64_t now = fetch_host_delay_ns(t, host);
    if (now > old && host->unanswered == 0) {
        host->next_start_ns = host->next_start_ns > t->now_ns ? host->next_start_ns + (now - old)
                                                              : t->now_ns + (now - old);
    }
}

/* ---- holds ---------------------------------------------------------------------------------- */

/* Requests that would wait too long go back to whoever has a durable queue for them. */
void fetch_host_return_held(struct fetch_thread *t, struct fetch_host *host)
{
    struct fetch_job *job;
    uint64_t most_ns = t->engine->options.max_hold_ms * BASE_NS_PER_MS;
    if (host->hold_until_ns <= t->now_ns + most_ns) {
        return;
    }
    uint64_t rest_ms = (host->hold_until_ns - t->now_ns) / BASE_NS_PER_MS + 1;
    while ((job = fetch_host_take_job(t, host)) != NULL) {
        struct fetch_box *box = job->is_robots ? NULL : fetch_box_take(t->engine->results);
        if (box != NULL) {
            box->result.retry_after_ms = box->result.hold_ms = rest_ms;
        }
        fetch_job_finish(t, job, box, FETCH_THROTTLED, fetch_gate_throttled_status(host, job),
                         "%s asked for a pause of %llu s; not requested before that", host->key,
                         (unsigned long long)(rest_ms + 999) / 1000);
    }
}

void fetch_host_hold(struct fetch_thread *t, struct fetch_host *host, uint64_t ms)
{
    uint64_t until = base_mono_ns() + ms * BASE_NS_PER_MS;
    if (until > host->hold_until_ns) {
        host->hold_until_ns = until;
        base_log_info("fetch", "event=host_held host=%s ms=%llu", host->key,
                      (unsigned long long)ms);
    }
    fetch_host_return_held(t, host);
    fetch_host_place(t, host);
}

/* What was in flight together is refused together: that is one refusal. */
uint64_t fetch_host_back_off(struct fetch_thread *t, struct fetch_host *host)
{
    uint64_t now_ns = base_mono_ns();
    if (host->hold_until_ns <= now_ns) {
        uint64_t ms = BACK_OFF_FIRST_MS << host->throttled_in_row;
        host->throttled_in_row += host->throttled_in_row < BACK_OFF_DOUBLINGS;
        fetch_host_hold(t, host, ms);
    }
    return host->hold_until_ns > now_ns ? (host->hold_until_ns - now_ns) / BASE_NS_PER_MS + 1 : 0;
}

/* ---- what others know, and own -------------------------------------------------------------- */

void fetch_recall_free(struct fetch_recall *recall)
{
    free(recall->key);
    free(recall);
}

/* The delay is kept as the adapted one: what it should be is learnt again from here. Its first
 * request waits for it too, because somebody may have asked the host just before. */
void fetch_host_on_recall(struct fetch_thread *t, struct fetch_recall *recall)
{
    struct fetch_host *host = fetch_host_find(t, recall->key, true);
    uint64_t delay_ns = recall->delay_ms * BASE_NS_PER_MS;
    if (host != NULL) {
        uint64_t most = atomic_load_explicit(&t->engine->max_delay_ms, memory_order_relaxed);
        if (most > 0 && host->adapted_delay_ns == 0) {
            host->adapted_delay_ns =
                recall->delay_ms < most ? delay_ns : most * (uint64_t)BASE_NS_PER_MS;
        }
        if (!host->has_started && host->next_start_ns < t->now_ns + delay_ns) {
            host->next_start_ns = t->now_ns + delay_ns;
        }
        if (recall->hold_ms > 0) {
            fetch_host_hold(t, host, recall->hold_ms);
        }
        fetch_host_place(t, host);
    }
    fetch_recall_free(recall);
}

/* Where a redirect leads is asked all the same, with its robots.txt: the host that the request was
 * made for is ours. */
bool fetch_host_may_ask(const struct fetch_thread *t, const struct fetch_host *host,
                        const struct fetch_job *job)
{
    const struct fetch_options *o = &t->engine->options;
    return o->may_start == NULL || job->is_followed ||
           o->may_start(o->may_start_ctx, host->name, strlen(host->name));
}

void fetch_answer_not_ours(struct fetch_thread *t, const struct fetch_host *host,
                           struct fetch_job *job, struct fetch_box *box)
{
    if (box != NULL) {
        box->result.retry_after_ms = NOT_OURS_MS;
    }
    fetch_job_finish(t, job, box, FETCH_THROTTLED, 0, "%s belongs to another process now",
                     host->key);
}

bool fetch_host_is_ours(struct fetch_thread *t, struct fetch_host *host,
                        const struct fetch_job *job)
{
    if (fetch_host_may_ask(t, host, job)) {
        return true;
    }
    struct fetch_job *given = fetch_host_take_job(t, host);
    fetch_answer_not_ours(t, host, given, fetch_box_take(t->engine->results));
    fetch_host_place(t, host);
    return false;
}

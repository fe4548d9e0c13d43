/* SPDX-License-Identifier: Apache-2.0 */
/* A store that fails is asked again with growing pauses; a crawl gives up after a while. */
#include "worker_internal.h"

#include <stdio.h>

enum { RETRY_FIRST_MS = 50, RETRY_CAP_MS = 2000 };

static void keep_words(struct worker_group *group, const struct base_error *error)
{
    sync_mutex_lock(group->wait_lock);
    group->last_status = error->status;
    snprintf(group->last_error, sizeof(group->last_error), "%s", error->message);
    sync_mutex_unlock(group->wait_lock);
}

bool trouble_note(struct worker_group *group, struct trouble *trouble, const char *what,
                  const struct base_error *error)
{
    uint64_t now_ns = base_mono_ns();
    bool is_first = trouble->since_ns == 0;

    keep_words(group, error);
    if (is_first) {
        trouble->since_ns = now_ns;
        base_log_warn("worker", "%s=failed status=%s error=\"%s\" then=\"kept, tried again\"", what,
                      gleaner_status_name(error->status), error->message);
    }
    uint64_t failing_ms = (now_ns - trouble->since_ns) / BASE_NS_PER_MS;
    uint64_t wait_ms = failing_ms < RETRY_FIRST_MS ? RETRY_FIRST_MS : failing_ms;
    wait_ms = wait_ms > RETRY_CAP_MS ? RETRY_CAP_MS : wait_ms;
    trouble->retry_ns = now_ns + wait_ms * BASE_NS_PER_MS;
    const uint32_t give_up_ms = group_live_value(&group->live.give_up_ms);
    if (give_up_ms > 0 && failing_ms >= give_up_ms && !group_is_stopping(group)) {
        base_log_error("worker", "%s=given_up after_ms=%llu error=\"%s\"", what,
                       (unsigned long long)failing_ms, error->message);
        atomic_store_explicit(&group->has_given_up, true, memory_order_relaxed);
        group_finish(group);
    }
    return is_first;
}

bool trouble_over(struct trouble *trouble, const char *what)
{
    if (trouble->since_ns == 0) {
        return false;
    }
    base_log_info("worker", "%s=recovered after_ms=%llu", what,
                  (unsigned long long)((base_mono_ns() - trouble->since_ns) / BASE_NS_PER_MS));
    *trouble = (struct trouble){0};
    return true;
}

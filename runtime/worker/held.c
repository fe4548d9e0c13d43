/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_internal.h"

#include <stdlib.h>
#include <string.h>

enum gleaner_status held_init(struct held_list *list)
{
    return sync_mutex_create(&list->lock);
}

void held_fini(struct held_list *list)
{
    while (list->head != NULL) {
        held_remove(list, list->head);
    }
    sync_mutex_destroy(&list->lock);
}

static char *put_string(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = memcpy(*at, text, len);
    *at += len;
    return copy;
}

struct held_job *held_add(struct held_list *list, const struct store_job *job, uint64_t now_ns)
{
    size_t strings =
        strlen(job->url) + strlen(job->host) + strlen(job->type) + strlen(job->via) + 4;
    struct held_job *held = malloc(sizeof(*held) + strings);
    if (held == NULL) {
        return NULL;
    }
    char *at = (char *)(held + 1);
    held->job = *job;
    held->job.url = put_string(&at, job->url);
    held->job.host = put_string(&at, job->host);
    held->job.type = put_string(&at, job->type);
    held->job.via = put_string(&at, job->via);
    held->lease_until_ns = now_ns + job->lease_left_ms * BASE_NS_PER_MS;
    held->previous = NULL;

    sync_mutex_lock(list->lock);
    held->next = list->head;
    if (list->head != NULL) {
        list->head->previous = held;
    }
    list->head = held;
    atomic_fetch_add_explicit(&list->count, 1, memory_order_relaxed);
    sync_mutex_unlock(list->lock);
    return held;
}

static void unlink_locked(struct held_list *list, struct held_job *held)
{
    BASE_ASSERT(sync_mutex_is_mine(list->lock));
    if (held->previous != NULL) {
        held->previous->next = held->next;
    } else {
        list->head = held->next;
    }
    if (held->next != NULL) {
        held->next->previous = held->previous;
    }
    /* release: who reads the smaller count reads the pages counted before (room_for()) */
    atomic_fetch_sub_explicit(&list->count, 1, memory_order_release);
}

void held_remove(struct held_list *list, struct held_job *held)
{
    held_remove_all(list, &held, 1);
}

void held_remove_all(struct held_list *list, struct held_job *const *jobs, size_t count)
{
    sync_mutex_lock(list->lock);
    for (size_t i = 0; i < count; i++) {
        unlink_locked(list, jobs[i]);
    }
    sync_mutex_unlock(list->lock);
    for (size_t i = 0; i < count; i++) {
        free(jobs[i]);
    }
}

uint64_t held_count(const struct held_list *list)
{
    return atomic_load_explicit(&list->count, memory_order_acquire);
}

static void name_outcome(struct store_outcome *outcome, const struct store_job *job)
{
    *outcome = (struct store_outcome){.key = job->key, .token = job->token};
    memcpy(outcome->id, job->id, sizeof(outcome->id));
}

/* Collects the leases that `wanted_before_ns` selects. A job settled between this copy and the
 * store's answer has a token that no longer counts: the store leaves it alone. */
static size_t copy_leases(struct held_list *list, uint64_t wanted_before_ns, uint64_t new_until_ns,
                          struct store_outcome **out)
{
    size_t count = 0;
    sync_mutex_lock(list->lock);
    size_t max = (size_t)held_count(list);
    *out = calloc(max ? max : 1, sizeof(**out));
    for (struct held_job *held = list->head; *out != NULL && held != NULL; held = held->next) {
        if (held->lease_until_ns <= wanted_before_ns) {
            held->lease_until_ns = new_until_ns;
            name_outcome(&(*out)[count++], &held->job);
        }
    }
    sync_mutex_unlock(list->lock);
    return count;
}

/* The leases that a renewal took: all, or, after a failure, none of them, so that the next check
 * tries again. Returns how many are still held. */
static size_t restamp(struct held_list *list, uint64_t stamp_ns, uint64_t new_ns)
{
    size_t count = 0;
    sync_mutex_lock(list->lock);
    for (struct held_job *held = list->head; held != NULL; held = held->next) {
        if (held->lease_until_ns == stamp_ns) {
            held->lease_until_ns = new_ns;
            count++;
        }
    }
    sync_mutex_unlock(list->lock);
    return count;
}

void held_renew(struct worker_group *group, uint64_t now_ns)
{
    uint32_t lease_ms = queue_lease_ms(group->options.queue);
    uint64_t lease_ns = lease_ms * BASE_NS_PER_MS, stamp_ns = now_ns + lease_ns;
    struct store_outcome *leases = NULL;
    size_t count = copy_leases(&group->held, now_ns + lease_ns * 2 / 3, stamp_ns, &leases);
    struct base_error error = {0};
    uint64_t lost = 0;

    if (count > 0 && store_renew(queue_store(group->options.queue), leases, count, lease_ms, &lost,
                                 &error) != GLEANER_OK) {
        restamp(&group->held, stamp_ns, now_ns);
        base_log_warn("worker", "leases=%zu renewed=0 error=\"%s\"", count, error.message);
    } else if (lost > 0 && lost > count - restamp(&group->held, stamp_ns, stamp_ns)) {
        /* More than were settled between the copy and the answer. */
        base_log_warn("worker", "leases=%zu lost=%llu reason=\"they ran out and were taken over\"",
                      count, (unsigned long long)lost);
    }
    free(leases);
}

void held_release_all(struct worker_group *group)
{
    struct store_outcome *outcomes = NULL;
    size_t count = copy_leases(&group->held, UINT64_MAX, 0, &outcomes);
    struct store_settled settled = {0};
    struct base_error error = {0};

    for (size_t i = 0; i < count; i++) {
        outcomes[i].kind = STORE_RELEASE;
        outcomes[i].error_class = "";
        outcomes[i].reason = "";
    }
    struct store_settlement settlement = {.outcomes = outcomes, .outcome_count = count};
    if (count > 0 &&
        queue_settle(group->options.queue, &settlement, &settled, &error) != GLEANER_OK) {
        base_log_warn("worker", "released=0 of=%zu error=\"%s\" then=\"their leases run out\"",
                      count, error.message);
    }
    free(outcomes);
}

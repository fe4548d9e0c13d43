/* SPDX-License-Identifier: Apache-2.0 */
/* Where and how a tier connects: immutable, counted by those who connect that way. */
#include "supervisor_internal.h"
#include <stdlib.h>
#include <string.h>

static bool copy(char **out, const char *text)
{
    *out = text != NULL ? strdup(text) : NULL;
    return text == NULL || *out != NULL;
}

struct target *target_create(const struct supervisor_config *config, const char *uri)
{
    struct target *target = calloc(1, sizeof(*target));
    if (target == NULL) {
        return NULL;
    }
    atomic_store_explicit(&target->refs, 1, memory_order_relaxed);
    /* several only keep a broken socket from stalling the clients beside it */
    target->shards = config->driver.isolates_errors ? 1 : config->shards;
    target->ports = listener_parse(uri);
    char *default_db = NULL;
    bool copied = copy(&target->uri, uri) && copy(&target->app_name, config->app_name);
    if (config->mongo != NULL) {
        target->has_options = true;
        copied = copied && copy(&default_db, config->mongo->default_db);
        target->options = *config->mongo;
        target->options.default_db = default_db;
    }
    if (!copied) {
        target_unref(target);
        return NULL;
    }
    return target;
}

static bool is_same_text(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool has_same_options(const struct mongo_options *one, const struct mongo_options *other)
{
    return is_same_text(one->default_db, other->default_db) &&
           one->server_selection_ms == other->server_selection_ms &&
           one->connect_ms == other->connect_ms && one->socket_ms == other->socket_ms &&
           one->heartbeat_ms == other->heartbeat_ms && one->retry_writes == other->retry_writes &&
           one->watch == other->watch;
}

bool target_is_same(const struct target *one, const struct target *other)
{
    return is_same_text(one->uri, other->uri) && is_same_text(one->app_name, other->app_name) &&
           one->shards == other->shards && one->has_options == other->has_options &&
           has_same_options(&one->options, &other->options);
}

/* ---- the members of a replica set
 * --------------------------------------------------------------- */

void target_aim(struct job *job, struct target *target, const char *members_uri)
{
    target_ref(target);
    target_unref(job->target);
    free(job->members_uri);
    job->target = target;
    job->members_uri = members_uri != NULL ? strdup(members_uri) : NULL; /* or the target's alone */
    job->ports = job->members_uri != NULL ? listener_parse(job->members_uri)
                 : target != NULL         ? target->ports
                                          : (struct listener_ports){.count = 0};
}

const char *target_uri(const struct job *job)
{
    return job->members_uri != NULL ? job->members_uri : job->target->uri;
}

struct listener_ports target_ports(const struct tier *tier)
{
    return tier->members_uri != NULL ? listener_parse(tier->members_uri) : tier->target->ports;
}

void target_learn(struct tier *tier, struct job *job)
{
    if (job->found_uri != NULL && job->target == tier->target) {
        free(tier->members_uri);
        tier->members_uri = job->found_uri;
        job->found_uri = NULL;
    }
}

struct target *target_ref(struct target *target)
{
    if (target != NULL) {
        atomic_fetch_add_explicit(&target->refs, 1, memory_order_relaxed);
    }
    return target;
}

void target_unref(struct target *target)
{
    if (target == NULL || atomic_fetch_sub_explicit(&target->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    free((char *)(uintptr_t)target->options.default_db); /* ours: copied by target_create() */
    free(target->uri);
    free(target->app_name);
    free(target);
}

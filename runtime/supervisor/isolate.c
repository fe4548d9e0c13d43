/* SPDX-License-Identifier: Apache-2.0 */
/* After a socket error libmongoc stalls every client of the same driver pool for 1.0 s (fact 1 of
 * the notes: the server is set Unknown, its monitor wakes after up to 500 ms and waits 500 ms
 * more). So the clients of that driver pool leave the table, on the thread that saw the error,
 * before anybody takes one; the other driver pools serve on, and grow. */
#include "supervisor_internal.h"
#include <stdlib.h>

#define STALL_MS 1500 /* measured 0.97 to 1.02 s; and some for a loaded machine */
#define SHARD_BITS 8

enum gleaner_status isolate_init(struct supervisor *supervisor)
{
    supervisor->home_count = pool_slot_count(supervisor->pool);
    supervisor->homes = calloc(supervisor->home_count, sizeof(*supervisor->homes));
    return supervisor->homes != NULL ? GLEANER_OK : GLEANER_E_NOMEM;
}

void isolate_fini(struct supervisor *supervisor)
{
    free(supervisor->homes);
    supervisor->homes = NULL;
}

static uint64_t home_of(const struct client *client)
{
    return (uint64_t)client->endpoint->serial << SHARD_BITS | client->shard;
}

void isolate_note_home(struct supervisor *supervisor, uint32_t slot, const struct client *client)
{
    BASE_ASSERT(slot < supervisor->home_count);
    atomic_store_explicit(&supervisor->homes[slot], home_of(client), memory_order_relaxed);
}

static bool stalls(struct endpoint *endpoint, uint32_t shard, uint64_t now_ns)
{
    return atomic_load_explicit(&endpoint->stalls_until_ns[shard], memory_order_relaxed) > now_ns;
}

uint32_t endpoint_choose_shard(struct endpoint *endpoint)
{
    uint64_t now_ns = supervisor_now(endpoint->supervisor);
    uint32_t best = 0;
    for (uint32_t shard = 1; shard < endpoint->shard_count; shard++) {
        bool is_worse = stalls(endpoint, shard, now_ns) && !stalls(endpoint, best, now_ns);
        bool is_better = !stalls(endpoint, shard, now_ns) && stalls(endpoint, best, now_ns);
        bool has_fewer = atomic_load_explicit(&endpoint->clients[shard], memory_order_relaxed) <
                         atomic_load_explicit(&endpoint->clients[best], memory_order_relaxed);
        best = is_better || (has_fewer && !is_worse) ? shard : best;
    }
    return best;
}

/* Mark it; false when it is marked already, or when no other one would be left. */
static bool mark(struct endpoint *endpoint, uint32_t shard)
{
    uint64_t now_ns = supervisor_now(endpoint->supervisor);
    bool has_other = false;
    for (uint32_t i = 0; i < endpoint->shard_count; i++) {
        has_other = has_other || (i != shard && !stalls(endpoint, i, now_ns));
    }
    if (!has_other || stalls(endpoint, shard, now_ns)) {
        return false;
    }
    atomic_store_explicit(&endpoint->stalls_until_ns[shard], now_ns + STALL_MS * BASE_NS_PER_MS,
                          memory_order_relaxed);
    return true;
}

void supervisor_isolate(struct supervisor *supervisor, const struct pool_handle *handle)
{
    /* `shown` comes first. The loan keeps client and endpoint alive. */
    struct client *client = pool_loaned_client(supervisor->pool, handle);
    if (client == NULL || !mark(client->endpoint, client->shard)) {
        return;
    }
    uint64_t home = home_of(client);
    for (uint32_t slot = 0; slot < supervisor->home_count; slot++) {
        if (slot != handle->slot &&
            atomic_load_explicit(&supervisor->homes[slot], memory_order_relaxed) == home) {
            pool_evict(supervisor->pool, slot);
        }
    }
}

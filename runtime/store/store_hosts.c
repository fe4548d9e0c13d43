/* SPDX-License-Identifier: Apache-2.0 */
/* The door's calls on hosts and shares, and what is the same for every body. */
#include "store_internal.h"

#include <string.h>

void store_share_name(const char *origin, const char **name, size_t *len)
{
    const char *authority = strstr(origin, "://");
    const char *from = authority != NULL ? authority + 3 : origin;
    if (*from == '[') {
        *name = from + 1;
        *len = strcspn(*name, "]");
        return;
    }
    *name = from;
    *len = strcspn(from, ":/?#");
}

uint32_t store_share_of(const char *name, size_t len)
{
    return (uint32_t)(base_hash64(name, len) >> 32) % STORE_SHARES;
}

struct store *store_of_queue(struct store_queue *queue)
{
    BASE_CHECK_MAGIC(queue, STORE_QUEUE_MAGIC);
    return queue->store;
}

enum gleaner_status store_hosts_note(struct store *store, const struct store_host *hosts,
                                     size_t count, struct base_error *error)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    return count == 0 ? GLEANER_OK : store->ops->hosts_note(store, hosts, count, error);
}

enum gleaner_status store_hosts_read(struct store *store, struct store_host *hosts, size_t count,
                                     struct base_error *error)
{
    BASE_CHECK_MAGIC(store, STORE_MAGIC);
    for (size_t i = 0; i < count; i++) {
        hosts[i].hold_ms = hosts[i].delay_ms = 0;
    }
    return count == 0 ? GLEANER_OK : store->ops->hosts_read(store, hosts, count, error);
}

enum gleaner_status store_shares_keep(struct store_queue *queue,
                                      const struct store_share_wish *wish,
                                      struct store_share_state *out, struct base_error *error)
{
    BASE_CHECK_MAGIC(queue, STORE_QUEUE_MAGIC);
    memset(out, 0, sizeof *out);
    if (queue->store->ops->shares_keep != NULL) {
        return queue->store->ops->shares_keep(queue, wish, out, error);
    }
    out->members = 1;
    for (uint32_t i = 0; i < STORE_SHARES && !wish->is_leaving; i++) {
        out->is_mine[i] = true;
        out->token[i] = 1;
        out->mine++;
    }
    return GLEANER_OK;
}

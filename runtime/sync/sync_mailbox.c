/* SPDX-License-Identifier: Apache-2.0 */
/* The failure mailbox: two sides. Posters work on the open one; the consumer closes it by opening
 * the other one, and empties it once all who had entered have left. So no poster ever waits, and
 * the consumer does not wait either: a side that a poster has not left yet is emptied by a later
 * take, for which that poster asks the caller to wake the consumer. */
#include "sync_internal.h"
#include <stdlib.h>

#define SIDE_BIT (UINT64_C(1) << 63)
#define ENTERED_MASK (SIDE_BIT - 1)

struct mailbox_cell {
    /* What this cell counts, 0 when it is free. A key is never taken out while posters are inside,
     * so equal keys, which look in the same order, always meet in the same cell.
     * writes: the poster that finds it free (compare and exchange); the consumer, when alone
     * reads:  posters, the consumer when alone
     * order:  relaxed: entering and leaving the side order the cells */
    _Atomic uint64_t key;
    /* writes: posters add; the consumer clears when alone; order: relaxed, as above */
    _Atomic uint64_t count;
    /* plain; written by the poster that took the cell, read by the consumer when alone */
    uint64_t detail;
    uint64_t first_ns;
};

struct sync_mailbox {
    /* side:1 | posters that entered it:63
     * writes: posters add 1 (entering); the consumer exchanges it (closing a side)
     * order:  seq_cst. acquire: a poster sees the cells of the side as the consumer cleared them.
     *         seq_cst with `left`: the consumer closes the side and then looks who has left, a
     * poster leaves and then looks whether the side was closed; one of the two must see the other.
     */
    BASE_CACHE_ALIGNED _Atomic uint64_t entered;

    /* How many left each side; equal to those that entered: the consumer is alone on it.
     * writes: posters add 1 (leaving); the consumer clears it before it opens the side again
     * order:  release in leaving, acquire in the consumer: it sees what the posters put there */
    BASE_CACHE_ALIGNED _Atomic uint64_t left[2];

    /* Reports that found no cell of their own; relaxed: for reports only. */
    _Atomic uint64_t overflow;

    /* The consumer's own: a closed side that is not empty yet. */
    BASE_CACHE_ALIGNED bool closing;
    unsigned closed_side;
    uint64_t closed_entered; /* how many entered it */
    size_t cursor;           /* next cell to take from it */

    size_t capacity; /* a power of two; constant */
    struct mailbox_cell *cells[2];
};

enum gleaner_status sync_mailbox_create(struct sync_mailbox **out, size_t capacity)
{
    if (capacity == 0 || (capacity & (capacity - 1)) != 0 || capacity > (size_t)1 << 24) {
        return GLEANER_E_INVALID;
    }
    struct sync_mailbox *mailbox = aligned_alloc(BASE_CACHE_LINE, sizeof(*mailbox));
    struct mailbox_cell *cells = calloc(2 * capacity, sizeof(*cells));
    if (mailbox == NULL || cells == NULL) {
        free(cells);
        free(mailbox);
        return GLEANER_E_NOMEM;
    }
    *mailbox = (struct sync_mailbox){.capacity = capacity};
    mailbox->cells[0] = cells; /* one block for both sides */
    mailbox->cells[1] = cells + capacity;
    *out = mailbox;
    return GLEANER_OK;
}

void sync_mailbox_destroy(struct sync_mailbox **mailbox)
{
    if (*mailbox != NULL) {
        free((*mailbox)->cells[0]);
        free(*mailbox);
        *mailbox = NULL;
    }
}

/* The cell of `key`, taken if need be: at most `capacity` steps, each one compare and exchange.
 * When all are of other keys, the last one looked at, and *is_own is false. */
static struct mailbox_cell *find_cell(struct mailbox_cell *cells, size_t capacity, uint64_t key,
                                      bool *is_first, bool *is_own)
{
    struct mailbox_cell *cell = NULL;
    size_t start = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    *is_first = false;
    *is_own = true;
    for (size_t i = 0; i < capacity; i++) {
        cell = &cells[(start + i) & (capacity - 1)];
        uint64_t there = atomic_load_explicit(&cell->key, memory_order_relaxed);
        if (there == 0 &&
            atomic_compare_exchange_strong_explicit(&cell->key, &there, key, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            *is_first = true;
            return cell;
        }
        if (there == key) {
            return cell;
        }
    }
    *is_own = false;
    return cell;
}

bool sync_mailbox_post(struct sync_mailbox *mailbox, uint64_t key, uint64_t detail, uint64_t now_ns)
{
    BASE_ASSERT(key != 0);
    uint64_t entered = atomic_fetch_add_explicit(&mailbox->entered, 1, memory_order_seq_cst);
    unsigned side = (entered & SIDE_BIT) != 0;
    bool is_first;
    bool is_own;
    struct mailbox_cell *cell =
        find_cell(mailbox->cells[side], mailbox->capacity, key, &is_first, &is_own);
    if (is_first) {
        cell->detail = detail;
        cell->first_ns = now_ns;
    }
    if (!is_own) {
        atomic_fetch_add_explicit(&mailbox->overflow, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&cell->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mailbox->left[side], 1, memory_order_seq_cst);
    uint64_t after = atomic_load_explicit(&mailbox->entered, memory_order_seq_cst);
    /* Closed while we were inside: the consumer may have gone without what we posted. */
    bool closed_meanwhile = ((after ^ entered) & SIDE_BIT) != 0;
    return (entered & ENTERED_MASK) == 0 || closed_meanwhile;
}

/* Close the open side; false when nobody entered it. */
static bool close_open_side(struct sync_mailbox *mailbox)
{
    /* relaxed: a poster that this misses has yet to return true to its caller, who wakes us */
    uint64_t seen = atomic_load_explicit(&mailbox->entered, memory_order_relaxed);
    if ((seen & ENTERED_MASK) == 0) {
        return false;
    }
    unsigned side = (seen & SIDE_BIT) != 0;
    atomic_store_explicit(&mailbox->left[!side], 0, memory_order_relaxed); /* released below */
    uint64_t entered =
        atomic_exchange_explicit(&mailbox->entered, side ? 0 : SIDE_BIT, memory_order_seq_cst);
    mailbox->closing = true;
    mailbox->closed_side = side;
    mailbox->closed_entered = entered & ENTERED_MASK;
    mailbox->cursor = 0;
    return true;
}

/* Move cells of the closed side to `out`; how many. Marks the side empty when the last is out. */
static size_t empty_closed_side(struct sync_mailbox *mailbox, struct sync_report *out, size_t max)
{
    uint64_t left =
        atomic_load_explicit(&mailbox->left[mailbox->closed_side], memory_order_seq_cst);
    if (left != mailbox->closed_entered) {
        return 0;
    }
    struct mailbox_cell *cells = mailbox->cells[mailbox->closed_side];
    size_t filled = 0;
    for (; mailbox->cursor < mailbox->capacity && filled < max; mailbox->cursor++) {
        struct mailbox_cell *cell = &cells[mailbox->cursor];
        uint64_t key = atomic_load_explicit(&cell->key, memory_order_relaxed);
        if (key == 0) {
            continue;
        }
        out[filled++] = (struct sync_report){
            .key = key,
            .detail = cell->detail,
            .first_ns = cell->first_ns,
            .count = atomic_load_explicit(&cell->count, memory_order_relaxed),
        };
        atomic_store_explicit(&cell->count, 0, memory_order_relaxed);
        atomic_store_explicit(&cell->key, 0, memory_order_relaxed);
    }
    mailbox->closing = mailbox->cursor < mailbox->capacity;
    return filled;
}

size_t sync_mailbox_take(struct sync_mailbox *mailbox, struct sync_report *out, size_t max)
{
    size_t filled = 0;
    if (mailbox->closing) {
        filled = empty_closed_side(mailbox, out, max);
    }
    if (!mailbox->closing && filled < max && close_open_side(mailbox)) {
        filled += empty_closed_side(mailbox, out + filled, max - filled);
    }
    return filled;
}

uint64_t sync_mailbox_overflow(const struct sync_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->overflow, memory_order_relaxed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Making, changing and freeing a pool. */
#include "pool_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

static void store_limit(_Atomic uint32_t *limit, uint32_t value)
{
    atomic_store_explicit(limit, value, memory_order_relaxed); /* counts from when it is seen */
}

static enum gleaner_status check_limits(const struct pool_config *c, uint32_t capacity,
                                        struct base_error *error)
{
    if (capacity < 1 || capacity > POOL_MAX_CAPACITY) {
        return base_error_set(error, GLEANER_E_INVALID, "slot_capacity is %u, allowed are 1 to %u",
                              capacity, POOL_MAX_CAPACITY);
    }
    if (c->max_size < 1 || c->max_size > capacity) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "max_size is %u, allowed are 1 to %u (slot_capacity)", c->max_size,
                              capacity);
    }
    if (c->refresh_extra > capacity - c->max_size) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "refresh_extra is %u, but slot_capacity %u leaves %u beside max_size",
                              c->refresh_extra, capacity, capacity - c->max_size);
    }
    if (c->min_size > c->max_size) {
        return base_error_set(error, GLEANER_E_INVALID, "min_size %u is over max_size %u",
                              c->min_size, c->max_size);
    }
    if (c->max_connecting < 1) {
        return base_error_set(error, GLEANER_E_INVALID,
                              "max_connecting is 0, at least 1 is needed");
    }
    return GLEANER_OK;
}

static void store_limits(struct pool *pool, const struct pool_config *c)
{
    store_limit(&pool->max_size, c->max_size);
    store_limit(&pool->min_size, c->min_size);
    store_limit(&pool->max_connecting, c->max_connecting);
    store_limit(&pool->refresh_extra, c->refresh_extra);
    store_limit(&pool->wait_queue_timeout_ms, c->wait_queue_timeout_ms);
    store_limit(&pool->max_idle_ms, c->max_idle_ms);
    atomic_store_explicit(&pool->max_lifetime_ms, c->max_lifetime_ms, memory_order_relaxed);
}

static uint64_t seed_of(const struct pool_config *config)
{
    struct base_random random;
    base_random_init(&random, config->random_seed);
    return base_random_next(&random);
}

/* Zeroed pages that a forked child finds zeroed again: every slot is EMPTY there, no CAS of the
 * fast path can succeed. *is_wiped says whether the kernel does that (Linux 4.14). */
static struct pool_slot *map_slots(uint32_t count, bool *is_wiped)
{
    size_t bytes = count * sizeof(struct pool_slot);
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    *is_wiped = madvise(pages, bytes, MADV_WIPEONFORK) == 0;
#ifdef __SANITIZE_ADDRESS__
    __lsan_register_root_region(pages, bytes); /* it looks for pointers to clients nowhere else */
#endif
    return pages;
}

static void unmap_slots(struct pool_slot *slots, uint32_t count)
{
    if (slots == NULL) {
        return;
    }
    size_t bytes = count * sizeof(slots[0]);
#ifdef __SANITIZE_ADDRESS__
    __lsan_unregister_root_region(slots, bytes);
#endif
    (void)munmap(slots, bytes);
}

static void *allocate_zeroed(size_t count, size_t size)
{
    void *memory = aligned_alloc(128, count * size); /* sizes are multiples of their alignment */
    return memory == NULL ? NULL : memset(memory, 0, count * size);
}

static bool allocate_parts(struct pool *pool, const char *address)
{
    pool->address = strdup(address != NULL ? address : "");
    bool is_wiped = false;
    pool->slots = map_slots(pool->slot_count, &is_wiped);
    atomic_store_explicit(&pool->gate, is_wiped && !pool->is_timed ? 0 : GATE_SLOW,
                          memory_order_relaxed); /* nobody else knows the pool yet */
    pool->cells = allocate_zeroed((pool->cell_mask + 3) & ~UINT32_C(1), sizeof(struct pool_cell));
    return pool->address != NULL && pool->slots != NULL && pool->cells != NULL;
}

static void free_pool(struct pool *pool)
{
    free(pool->address);
    unmap_slots(pool->slots, pool->slot_count);
    free(pool->cells);
    pool->magic = 0;
    free(pool);
}

static _Atomic uint32_t pools_made; /* relaxed: only spreads the hints */

enum gleaner_status pool_create_sized(const struct pool_config *config,
                                      const struct pool_hooks *hooks, struct base_clock *clock,
                                      uint32_t cells, struct pool **out, struct base_error *error)
{
    BASE_ASSERT(cells >= 2 && cells <= UINT32_C(1) << 15 && (cells & (cells - 1)) == 0);
    enum gleaner_status status = check_limits(config, config->slot_capacity, error);
    if (status != GLEANER_OK) {
        return status;
    }
    sync_init(); /* fork detector, heavy barrier */
    pool_keeps_init();
    struct pool *pool = allocate_zeroed(1, sizeof(*pool));
    if (pool == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a pool");
    }
    pool->magic = POOL_MAGIC;
    pool->slot_capacity = config->slot_capacity;
    pool->slot_count = 2 * config->slot_capacity + 8;
    pool->cell_mask = cells - 1;
    pool->hint = atomic_fetch_add_explicit(&pools_made, 1, memory_order_relaxed) % POOL_HINTS;
    pool->clock = clock != NULL ? clock : base_clock_real();
    pool->hooks = hooks != NULL ? *hooks : (struct pool_hooks){0};
    pool->is_timed = pool->hooks.on_event != NULL || base_clock_is_virtual(pool->clock);
    atomic_store_explicit(&pool->random, seed_of(config), memory_order_relaxed);
    store_limits(pool, config);
    if (!allocate_parts(pool, config->address)) {
        free_pool(pool);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for a pool of %u slots",
                              config->slot_capacity);
    }
    for (uint32_t i = 0; i < cells; i++) {
        atomic_store_explicit(&pool->cells[i].word, cell_word(i, CELL_FREE, 0),
                              memory_order_relaxed); /* nobody else knows the pool yet */
    }
    pool_emit(pool, &(struct pool_event){.type = POOL_EV_CREATED, .options = config});
    *out = pool;
    return GLEANER_OK;
}

enum gleaner_status pool_create(const struct pool_config *config, const struct pool_hooks *hooks,
                                struct base_clock *clock, struct pool **out,
                                struct base_error *error)
{
    return pool_create_sized(config, hooks, clock, POOL_QUEUE_CELLS, out, error);
}

void pool_destroy(struct pool **pool)
{
    if (pool == NULL || *pool == NULL) {
        return;
    }
    BASE_CHECK_MAGIC(*pool, POOL_MAGIC);
    for (uint32_t i = 0; i < (*pool)->slot_count; i++) {
        uint64_t word = atomic_load_explicit(&(*pool)->slots[i].word, memory_order_acquire);
        BASE_ASSERT(slot_state_of(word) == SLOT_EMPTY);
    }
    BASE_ASSERT(pool_waiting(*pool) == 0);
    free_pool(*pool);
    *pool = NULL;
}

enum gleaner_status pool_configure(struct pool *pool, const struct pool_config *config,
                                   struct base_error *error)
{
    BASE_CHECK_MAGIC(pool, POOL_MAGIC);
    enum gleaner_status status = check_limits(config, pool->slot_capacity, error);
    if (status != GLEANER_OK) {
        return status;
    }
    store_limits(pool, config);
    if (pool_has_surplus(pool)) {
        (void)atomic_fetch_or_explicit(&pool->gate, GATE_TRIM, memory_order_seq_cst);
        pool_tidy(pool);
        pool_trim_settle(pool);
    }
    if (pool_has_demand(pool)) {
        pool_want_connection(pool);
    }
    return GLEANER_OK;
}

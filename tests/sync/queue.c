/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(mpsc, .timeout = 20);
TestSuite(ring, .timeout = 20);

struct parcel {
    struct sync_mpsc_node node;
    uint32_t producer;
    uint32_t number;
};

enum { PRODUCERS = 4, PARCELS = 20000 };

struct producer {
    struct sync_mpsc *queue;
    struct sync_parker *consumer;
    struct parcel *parcels;
    uint32_t number;
};

static void produce(void *arg)
{
    struct producer *producer = arg;
    for (uint32_t i = 0; i < PARCELS; i++) {
        producer->parcels[i].producer = producer->number;
        producer->parcels[i].number = i;
        sync_mpsc_push(producer->queue, &producer->parcels[i].node);
        sync_unpark(producer->consumer);
    }
}

Test(mpsc, is_empty_at_first_and_first_in_first_out)
{
    struct sync_mpsc *queue = NULL;
    struct parcel parcels[3];
    cr_assert_eq(sync_mpsc_create(&queue), GLEANER_OK);
    cr_assert_null(sync_mpsc_pop(queue));
    for (int i = 0; i < 3; i++) {
        sync_mpsc_push(queue, &parcels[i].node);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sync_mpsc_pop(queue), &parcels[i].node);
    }
    cr_assert_null(sync_mpsc_pop(queue));
    sync_mpsc_destroy(&queue);
    cr_assert_null(queue);
}

Test(mpsc, everything_comes_out_once_and_in_the_order_of_its_producer)
{
    struct sync_mpsc *queue = NULL;
    struct sync_parker parker;
    struct producer producers[PRODUCERS];
    struct sync_thread *threads[PRODUCERS];
    sync_park_init(&parker);
    cr_assert_eq(sync_mpsc_create(&queue), GLEANER_OK);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){queue, &parker, calloc(PARCELS, sizeof(struct parcel)), i};
        cr_assert_eq(sync_thread_start(&threads[i], "p", SYNC_PLAIN, produce, &producers[i]),
                     GLEANER_OK);
    }
    uint32_t next[PRODUCERS] = {0};
    for (size_t taken = 0; taken < PRODUCERS * PARCELS;) {
        struct sync_mpsc_node *node = sync_mpsc_pop(queue);
        if (node == NULL) {
            sync_park(&parker, BASE_NO_DEADLINE);
            continue;
        }
        struct parcel *parcel = BASE_CONTAINER_OF(node, struct parcel, node);
        cr_assert_eq(parcel->number, next[parcel->producer]++);
        taken++;
    }
    cr_assert_null(sync_mpsc_pop(queue));
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        sync_thread_join(&threads[i]);
        free(producers[i].parcels);
    }
    sync_mpsc_destroy(&queue);
}

static struct sync_ring *make_ring(size_t capacity)
{
    struct sync_ring *ring = NULL;
    cr_assert_eq(sync_ring_create(&ring, capacity), GLEANER_OK);
    return ring;
}

static int items[8];

Test(ring, keeps_order_and_refuses_when_full_or_empty)
{
    struct sync_ring *ring = make_ring(3);
    void *item;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(sync_ring_push(ring, &items[i], 0), GLEANER_OK);
        }
        cr_assert_eq(sync_ring_push(ring, &items[3], 0), GLEANER_E_TIMEOUT);
        cr_assert_eq(sync_ring_count(ring), 3);
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(sync_ring_pop(ring, &item, 0), GLEANER_OK);
            cr_assert_eq(item, &items[i]);
        }
        cr_assert_eq(sync_ring_pop(ring, &item, 0), GLEANER_E_TIMEOUT);
        cr_assert_null(item);
    }
    sync_ring_destroy(&ring);
    cr_assert_null(ring);
}

Test(ring, of_no_capacity_is_refused)
{
    struct sync_ring *ring = NULL;
    cr_assert_eq(sync_ring_create(&ring, 0), GLEANER_E_INVALID);
    cr_assert_eq(sync_ring_create(&ring, SIZE_MAX / 4), GLEANER_E_INVALID);
    sync_ring_destroy(&ring);
}

Test(ring, closed_takes_nothing_more_and_gives_out_what_it_has)
{
    struct sync_ring *ring = make_ring(2);
    void *item;
    cr_assert_eq(sync_ring_push(ring, &items[0], 0), GLEANER_OK);
    sync_ring_close(ring);
    cr_assert_eq(sync_ring_push(ring, &items[1], BASE_NO_DEADLINE), GLEANER_E_CLOSED);
    cr_assert_eq(sync_ring_pop(ring, &item, BASE_NO_DEADLINE), GLEANER_OK);
    cr_assert_eq(sync_ring_pop(ring, &item, BASE_NO_DEADLINE), GLEANER_E_CLOSED);
    sync_ring_destroy(&ring);
}

Test(ring, nudge_returns_one_pop_without_an_item)
{
    struct sync_ring *ring = make_ring(2);
    void *item;
    sync_ring_nudge(ring);
    cr_assert_eq(sync_ring_push(ring, &items[0], 0), GLEANER_OK);
    cr_assert_eq(sync_ring_pop(ring, &item, BASE_NO_DEADLINE), GLEANER_E_CANCELLED);
    cr_assert_null(item);
    cr_assert_eq(sync_ring_pop(ring, &item, BASE_NO_DEADLINE), GLEANER_OK);
    cr_assert_eq(item, &items[0]);
    sync_ring_destroy(&ring);
}

static struct sync_ring *shared_ring;
static _Atomic uint64_t pushed_sum;
static _Atomic uint64_t popped_sum;

static void push_numbers(void *arg)
{
    (void)arg;
    for (uintptr_t i = 1; i <= 5000; i++) {
        if (sync_ring_push(shared_ring, (void *)i, BASE_NO_DEADLINE) == GLEANER_OK) {
            atomic_fetch_add_explicit(&pushed_sum, i, memory_order_relaxed);
        }
    }
}

static void pop_numbers(void *arg)
{
    (void)arg;
    void *item;
    enum gleaner_status status;
    while ((status = sync_ring_pop(shared_ring, &item, BASE_NO_DEADLINE)) != GLEANER_E_CLOSED) {
        if (status == GLEANER_OK) {
            atomic_fetch_add_explicit(&popped_sum, (uintptr_t)item, memory_order_relaxed);
        }
    }
}

Test(ring, what_goes_in_comes_out_once_with_many_on_both_sides)
{
    struct sync_thread *pushers[3];
    struct sync_thread *poppers[3];
    shared_ring = make_ring(4);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sync_thread_start(&poppers[i], "pop", SYNC_PLAIN, pop_numbers, NULL),
                     GLEANER_OK);
        cr_assert_eq(sync_thread_start(&pushers[i], "push", SYNC_PLAIN, push_numbers, NULL),
                     GLEANER_OK);
    }
    for (int i = 0; i < 100; i++) {
        sync_ring_nudge(shared_ring);
    }
    for (int i = 0; i < 3; i++) {
        sync_thread_join(&pushers[i]);
    }
    sync_ring_close(shared_ring);
    for (int i = 0; i < 3; i++) {
        sync_thread_join(&poppers[i]);
    }
    cr_assert_eq(pushed_sum, 3 * UINT64_C(12502500));
    cr_assert_eq(popped_sum, pushed_sum);
    sync_ring_destroy(&shared_ring);
}

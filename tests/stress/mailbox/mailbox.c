/* SPDX-License-Identifier: Apache-2.0 */
/* Many posters, one consumer that sleeps unless a post asked for a wake. The oracle, after each
 * round:
 * - counts: what came out is what went in, per key, or in sum where keys outnumber the cells;
 * - content: a report carries the detail that belongs to its key;
 * - wakes: when the posters are gone and the consumer sleeps, nothing is left in the box. */
#include "../stress.h"
#include "sync.h"
#include <sched.h>

enum { POSTERS_MAX = 8, KEYS_MAX = 64, TAKE_MAX = 16 };

struct round {
    struct sync_mailbox *mailbox;
    struct sync_parker parker;
    size_t capacity;
    uint64_t poster_count;
    uint64_t key_count;
    uint64_t posts_each;
    uint64_t pause_mask; /* how often a poster yields */

    /* writes: main, when the oracle has looked; reads: the consumer; acquire/release by the parker
     */
    _Atomic bool stop;

    /* plain; the consumer's, read by main after the join */
    uint64_t taken[KEYS_MAX + 1];
    uint64_t taken_sum;
    uint64_t wrong;

    struct poster {
        struct round *round;
        struct base_random random;
        uint64_t posted[KEYS_MAX + 1]; /* plain; the poster's, read by main after the join */
    } posters[POSTERS_MAX];
    struct base_random consumer_random;
};

static uint64_t detail_of(uint64_t key)
{
    return key * UINT64_C(0xD6E8FEB86659FD93);
}

static void poster_main(void *arg)
{
    struct poster *poster = arg;
    struct round *round = poster->round;
    for (uint64_t i = 1; i <= round->posts_each; i++) {
        uint64_t dice = base_random_next(&poster->random);
        uint64_t key = 1 + (dice >> 32) % round->key_count;
        if (sync_mailbox_post(round->mailbox, key, detail_of(key), i)) {
            sync_unpark(&round->parker);
        }
        poster->posted[key]++;
        if ((dice & round->pause_mask) == 0) {
            sched_yield();
        }
    }
}

static void account(struct round *round, const struct sync_report *report)
{
    bool plausible = report->key >= 1 && report->key <= round->key_count && report->count > 0 &&
                     report->detail == detail_of(report->key) && report->first_ns >= 1 &&
                     report->first_ns <= round->posts_each;
    if (!plausible) {
        round->wrong++;
        return;
    }
    round->taken[report->key] += report->count;
    round->taken_sum += report->count;
}

static void consumer_main(void *arg)
{
    struct round *round = arg;
    struct sync_report reports[TAKE_MAX];
    while (!atomic_load_explicit(&round->stop, memory_order_acquire)) {
        size_t max = 1 + base_random_below(&round->consumer_random, TAKE_MAX);
        size_t count = sync_mailbox_take(round->mailbox, reports, max);
        for (size_t i = 0; i < count; i++) {
            account(round, &reports[i]);
        }
        if (count < max) {
            sync_park(&round->parker, BASE_NO_DEADLINE);
        }
    }
}

/* The posters have ended, so once the consumer sleeps without a token, nothing will wake it. */
static void wait_for_sleep(struct round *round)
{
    while (atomic_load_explicit(&round->parker.word, memory_order_acquire) != 1) {
        sched_yield();
    }
}

static bool check(const struct round *round)
{
    uint64_t posted_sum = round->poster_count * round->posts_each;
    uint64_t overflow = sync_mailbox_overflow(round->mailbox);
    bool good = round->wrong == 0 && round->taken_sum == posted_sum;
    for (uint64_t key = 1; key <= round->key_count && overflow == 0; key++) {
        uint64_t posted = 0;
        for (uint64_t i = 0; i < round->poster_count; i++) {
            posted += round->posters[i].posted[key];
        }
        good = good && posted == round->taken[key];
    }
    good = good && (overflow == 0 || round->key_count > round->capacity);
    if (!good) {
        printf("VIOLATION: capacity %zu, %" PRIu64 " posters, %" PRIu64 " keys: posted %" PRIu64
               ", taken %" PRIu64 ", implausible %" PRIu64 ", overflow %" PRIu64 "\n",
               round->capacity, round->poster_count, round->key_count, posted_sum, round->taken_sum,
               round->wrong, overflow);
    }
    return good;
}

static void run_round(struct round *round)
{
    struct sync_thread *consumer = NULL;
    struct sync_thread *posters[POSTERS_MAX];
    enum gleaner_status status =
        sync_thread_start(&consumer, "consumer", SYNC_PLAIN, consumer_main, round);
    BASE_ASSERT(status == GLEANER_OK);
    for (size_t i = 0; i < round->poster_count; i++) {
        status =
            sync_thread_start(&posters[i], "poster", SYNC_PLAIN, poster_main, &round->posters[i]);
        BASE_ASSERT(status == GLEANER_OK);
    }
    for (size_t i = 0; i < round->poster_count; i++) {
        sync_thread_join(&posters[i]);
    }
    wait_for_sleep(round);
    atomic_store_explicit(&round->stop, true, memory_order_release);
    sync_unpark(&round->parker);
    sync_thread_join(&consumer);
}

static struct round *round_create(struct base_random *random)
{
    struct round *round = calloc(1, sizeof(*round));
    BASE_ASSERT(round != NULL);
    round->capacity = (size_t)1 << base_random_below(random, 7);
    round->poster_count = 1 + base_random_below(random, POSTERS_MAX);
    round->key_count = 1 + base_random_below(random, KEYS_MAX);
    round->posts_each = 1 + base_random_below(random, 5000);
    round->pause_mask = (UINT64_C(1) << base_random_below(random, 10)) - 1;
    enum gleaner_status status = sync_mailbox_create(&round->mailbox, round->capacity);
    BASE_ASSERT(status == GLEANER_OK);
    sync_park_init(&round->parker);
    base_random_init(&round->consumer_random, base_random_next(random) | 1);
    for (size_t i = 0; i < POSTERS_MAX; i++) {
        round->posters[i].round = round;
        base_random_init(&round->posters[i].random, base_random_next(random) | 1);
    }
    return round;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("stress_mailbox", argc, argv);
    struct base_random random;
    base_random_init(&random, options.seed);
    uint64_t rounds = 0;
    uint64_t posts = 0;
    bool good = true;
    while (good && base_mono_ns() < options.end_ns) {
        struct round *round = round_create(&random);
        run_round(round);
        good = check(round);
        rounds++;
        posts += round->taken_sum;
        sync_mailbox_destroy(&round->mailbox);
        free(round);
    }
    printf("mailbox: %" PRIu64 " rounds, %" PRIu64 " posts\n", rounds, posts);
    return good && rounds > 0 ? 0 : 1;
}

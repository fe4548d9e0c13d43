/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of a published snapshot against its publisher. The oracle: a reader never sees a snapshot
 * that a grace period has passed over, and what it sees is whole and unchanging.
 *
 * As in rcutorture each snapshot carries its age: 0 published, 1 replaced, 2 a grace period has
 * passed since. A reader may meet 0 and 1. After the grace period the publisher poisons the
 * snapshot with plain stores, which readers have read with plain loads: without the grace period
 * that is a data race for ThreadSanitizer, and a broken checksum or an age of 2 for this program.
 */
#include "../stress.h"
#include "sync.h"
#include <sched.h>

enum { READERS = 5, OBJECTS = 16, WORDS = 12, AGES = 3 };
#define POISON UINT64_C(0xDEADDEADDEADDEAD)

struct snapshot {
    /* writes: publisher; reads: readers; relaxed: it is what is under test, so it orders nothing */
    _Atomic unsigned age;
    /* plain; written before publishing and after the grace period, read inside read sections */
    uint64_t version;
    uint64_t words[WORDS];
};

/* Reused round robin and never freed, so that a violation is a message and not a crash. */
static struct snapshot objects[OBJECTS];
static struct sync_published published;
/* writes: main; reads: readers; relaxed: the joins order what follows */
static _Atomic bool stop;
/* writes: readers; reads: main after the joins; relaxed: counters */
static _Atomic uint64_t age_histogram[AGES];
static _Atomic uint64_t torn;
static _Atomic uint64_t went_back;

static uint64_t word_of(uint64_t version, size_t i)
{
    return (version + i) * UINT64_C(0x9E3779B97F4A7C15);
}

static void fill(struct snapshot *snapshot, uint64_t version)
{
    snapshot->version = version;
    for (size_t i = 0; i < WORDS; i++) {
        snapshot->words[i] = word_of(version, i);
    }
    atomic_store_explicit(&snapshot->age, 0, memory_order_relaxed);
}

static void poison(struct snapshot *snapshot)
{
    atomic_store_explicit(&snapshot->age, 2, memory_order_relaxed);
    snapshot->version = POISON;
    for (size_t i = 0; i < WORDS; i++) {
        snapshot->words[i] = POISON;
    }
}

static bool is_whole(const struct snapshot *snapshot, uint64_t version)
{
    bool whole = snapshot->version == version;
    for (size_t i = 0; i < WORDS; i++) {
        whole = whole && snapshot->words[i] == word_of(version, i);
    }
    return whole;
}

/* Stay in the section for a while: mostly short, sometimes over a switch to another thread. */
static void linger(struct base_random *random)
{
    uint64_t dice = base_random_next(random);
    if ((dice & 127) == 0) {
        sched_yield();
    }
    for (uint64_t i = 0; i < ((dice >> 8) & 127); i++) {
        sync_cpu_relax();
    }
}

static void read_once(struct base_random *random, uint64_t *last_version)
{
    sync_read_lock();
    const struct snapshot *snapshot = sync_read(&published);
    uint64_t version = snapshot->version;
    linger(random);
    bool whole = is_whole(snapshot, version) && version != POISON;
    unsigned age = atomic_load_explicit(&snapshot->age, memory_order_relaxed);
    sync_read_unlock();
    atomic_fetch_add_explicit(&age_histogram[age], 1, memory_order_relaxed);
    if (!whole) {
        atomic_fetch_add_explicit(&torn, 1, memory_order_relaxed);
    } else if (version < *last_version) {
        atomic_fetch_add_explicit(&went_back, 1, memory_order_relaxed);
    } else {
        *last_version = version;
    }
}

static void reader_main(void *arg)
{
    struct base_random *random = arg;
    uint64_t last_version = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        read_once(random, &last_version);
    }
}

static uint64_t publish_until(uint64_t end_ns, struct base_random *random)
{
    uint64_t version = 1;
    for (; base_mono_ns() < end_ns; version++) {
        struct snapshot *next = &objects[version % OBJECTS];
        fill(next, version);
        struct snapshot *old = sync_publish(&published, next);
        atomic_store_explicit(&old->age, 1, memory_order_relaxed);
        sync_wait_readers();
        poison(old);
        linger(random);
    }
    return version;
}

static int report(uint64_t publishes)
{
    uint64_t ages[AGES];
    for (size_t i = 0; i < AGES; i++) {
        ages[i] = atomic_load_explicit(&age_histogram[i], memory_order_relaxed);
    }
    uint64_t bad_words = atomic_load_explicit(&torn, memory_order_relaxed);
    uint64_t backwards = atomic_load_explicit(&went_back, memory_order_relaxed);
    printf("published: %" PRIu64 " publishes, reads by age: 0: %" PRIu64 ", 1: %" PRIu64
           ", 2: %" PRIu64 "\n",
           publishes, ages[0], ages[1], ages[2]);
    if (ages[2] + bad_words + backwards != 0) {
        printf("VIOLATION: a snapshot was older than one grace period %" PRIu64
               " times, not whole %" PRIu64 " times, older than the one before %" PRIu64 " times\n",
               ages[2], bad_words, backwards);
        return 1;
    }
    if (ages[0] == 0 || ages[1] == 0) {
        printf("published: no reader met a replaced snapshot; this run shows nothing\n");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct stress_options options = stress_parse("stress_published", argc, argv);
    struct base_random randoms[READERS + 1];
    struct sync_thread *threads[READERS];
    fill(&objects[0], 0);
    sync_publish(&published, &objects[0]);
    for (size_t i = 0; i <= READERS; i++) {
        base_random_init(&randoms[i], options.seed + i);
    }
    for (size_t i = 0; i < READERS; i++) {
        enum gleaner_status status =
            sync_thread_start(&threads[i], "reader", SYNC_READER, reader_main, &randoms[i]);
        BASE_ASSERT(status == GLEANER_OK);
    }
    uint64_t publishes = publish_until(options.end_ns, &randoms[READERS]);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (size_t i = 0; i < READERS; i++) {
        sync_thread_join(&threads[i]);
    }
    return report(publishes);
}

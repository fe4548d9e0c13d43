/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void bench_print_headline(const char *what)
{
    struct utsname machine;
    uname(&machine);
    printf("%s\nmachine: %s %s, %ld processors; libmongoc %s\n", what, machine.sysname,
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN), mongoc_get_version());
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(double), compare_doubles);
}

double bench_median(double *values, size_t count)
{
    bench_sort(values, count);
    return values[count / 2];
}

double bench_quantile(const double *sorted, size_t count, double share)
{
    size_t at = (size_t)((double)count * share);
    return sorted[at < count ? at : count - 1];
}

uint64_t bench_thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * BASE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- races
 * --------------------------------------------------------------------------------------------- */

struct field {
    const struct bench_race *race;
    _Atomic uint32_t ready; /* threads that stand at the line; acq_rel */
    _Atomic bool go, stop;  /* main -> racers; release / acquire, relaxed */
    /* racers -> main, at their end; relaxed, read after the join */
    _Atomic uint64_t count, cpu_ns;
};

struct racer {
    struct field *field;
    uint32_t number;
    struct sync_thread *thread;
};

static void racer_main(void *arg)
{
    struct racer *racer = arg;
    struct field *field = racer->field;
    const struct bench_race *race = field->race;
    uint64_t count = 0;
    atomic_fetch_add_explicit(&field->ready, 1, memory_order_acq_rel);
    while (!atomic_load_explicit(&field->go, memory_order_acquire)) {
        usleep(50);
    }
    uint64_t cpu_ns = bench_thread_cpu_ns();
    do {
        race->run_batch(race->ctx, racer->number);
        count += race->batch;
    } while (!atomic_load_explicit(&field->stop, memory_order_relaxed));
    cpu_ns = bench_thread_cpu_ns() - cpu_ns;
    atomic_fetch_add_explicit(&field->count, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&field->cpu_ns, cpu_ns, memory_order_relaxed);
}

struct bench_speed bench_run_race(const struct bench_race *race)
{
    struct field field = {.race = race};
    struct racer racers[BENCH_THREADS_MAX];
    BASE_ASSERT(race->threads <= BENCH_THREADS_MAX);
    for (uint32_t i = 0; i < race->threads; i++) {
        racers[i] = (struct racer){.field = &field, .number = i};
        BASE_ASSERT(sync_thread_start(&racers[i].thread, "racer", SYNC_PLAIN, racer_main,
                                      &racers[i]) == GLEANER_OK);
    }
    while (atomic_load_explicit(&field.ready, memory_order_acquire) < race->threads) {
        usleep(50);
    }
    uint64_t start_ns = base_mono_ns();
    atomic_store_explicit(&field.go, true, memory_order_release);
    usleep(race->round_us);
    atomic_store_explicit(&field.stop, true, memory_order_relaxed);
    for (uint32_t i = 0; i < race->threads; i++) {
        sync_thread_join(&racers[i].thread);
    }
    double wall_ns = (double)(base_mono_ns() - start_ns);
    uint64_t count = atomic_load_explicit(&field.count, memory_order_relaxed);
    double cpu_ns = (double)atomic_load_explicit(&field.cpu_ns, memory_order_relaxed);
    return (struct bench_speed){.count = count,
                                .wall_ns = wall_ns / (double)count,
                                .cpu_ns = cpu_ns / (double)count,
                                .processors = cpu_ns / wall_ns};
}

static void run_round(const struct bench_race *race, struct bench_figures *figures, int at)
{
    struct bench_speed speed = bench_run_race(race);
    figures->wall_ns[at] = speed.wall_ns;
    figures->cpu_ns[at] = speed.cpu_ns;
    figures->processors[at] = speed.processors;
    figures->count += speed.count;
}

static void sort_figures(struct bench_figures *figures)
{
    bench_sort(figures->wall_ns, BENCH_ROUNDS);
    bench_sort(figures->cpu_ns, BENCH_ROUNDS);
    bench_sort(figures->processors, BENCH_ROUNDS);
}

void bench_run_contest(const struct bench_race *ours, const struct bench_race *theirs,
                       struct bench_figures *our_figures, struct bench_figures *their_figures)
{
    our_figures->count = their_figures->count = 0;
    for (int round = -1; round < BENCH_ROUNDS; round++) { /* round -1 warms both up */
        int at = round < 0 ? 0 : round;
        run_round(ours, our_figures, at);
        run_round(theirs, their_figures, at);
    }
    sort_figures(our_figures);
    sort_figures(their_figures);
}

static double print_row(const char *label, const double *ours, const double *theirs)
{
    double ratio = theirs[BENCH_ROUNDS / 2] / ours[BENCH_ROUNDS / 2];
    printf("%s %7.1f (%.1f-%.1f) %8.1f (%.1f-%.1f) %6.1fx\n", label, ours[BENCH_ROUNDS / 2],
           ours[0], ours[BENCH_ROUNDS - 1], theirs[BENCH_ROUNDS / 2], theirs[0],
           theirs[BENCH_ROUNDS - 1], ratio);
    return ratio;
}

void bench_print_contest(uint32_t threads, const struct bench_figures *ours,
                         const struct bench_figures *theirs, double *wall, double *cpu)
{
    printf(
        "%u thread%s, ns each: ours (min-max), libmongoc's; processors that we had: %.2f, %.2f\n",
        threads, threads == 1 ? "" : "s", ours->processors[BENCH_ROUNDS / 2],
        theirs->processors[BENCH_ROUNDS / 2]);
    *wall = print_row("    wall", ours->wall_ns, theirs->wall_ns);
    *cpu = print_row("    CPU ", ours->cpu_ns, theirs->cpu_ns);
    fflush(stdout);
}

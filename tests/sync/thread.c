/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct seen {
    char name[64];
    char kernel_name[64];
    uint32_t id;
    uint32_t index;
    sigset_t blocked;
};

static void look_around(void *arg)
{
    struct seen *seen = arg;
    strcpy(seen->name, sync_thread_name());
    pthread_getname_np(pthread_self(), seen->kernel_name, sizeof(seen->kernel_name));
    seen->id = sync_thread_id();
    seen->index = sync_thread_index();
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
}

static struct seen run_and_look(const char *name, enum sync_thread_kind kind)
{
    struct seen seen = {0};
    struct sync_thread *thread = NULL;
    cr_assert_eq(sync_thread_start(&thread, name, kind, look_around, &seen), GLEANER_OK);
    sync_thread_join(&thread);
    cr_assert_null(thread);
    return seen;
}

Test(thread, has_its_name_cut_to_fifteen_characters)
{
    struct seen seen = run_and_look("a-name-that-is-too-long", SYNC_PLAIN);
    cr_assert_str_eq(seen.name, "a-name-that-is-");
    cr_assert_str_eq(seen.kernel_name, "a-name-that-is-");
    cr_assert_str_eq(sync_thread_name(), "main");
}

Test(thread, blocks_signals_but_those_of_its_own_faults)
{
    struct seen seen = run_and_look("x", SYNC_PLAIN);
    cr_assert(sigismember(&seen.blocked, SIGTERM));
    cr_assert(sigismember(&seen.blocked, SIGINT));
    cr_assert(sigismember(&seen.blocked, SIGHUP));
    cr_assert(sigismember(&seen.blocked, SIGPIPE));
    cr_assert_not(sigismember(&seen.blocked, SIGSEGV));
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    cr_assert_not(sigismember(&mine, SIGTERM), "the starter keeps its own mask");
}

Test(thread, has_an_id_of_its_own_and_an_index_that_is_reused)
{
    uint32_t mine = sync_thread_index();
    struct seen first = run_and_look("x", SYNC_PLAIN);
    struct seen second = run_and_look("y", SYNC_PLAIN);
    cr_assert_neq(first.id, sync_thread_id());
    cr_assert_eq(sync_thread_id(), (uint32_t)getpid());
    cr_assert_neq(first.index, mine);
    cr_assert_eq(first.index, second.index);
    cr_assert_eq(sync_thread_index(), mine);
}

static void *foreign_thread(void *arg)
{
    *(uint32_t *)arg = sync_thread_index();
    sync_reader_ensure();
    sync_reader_ensure();
    sync_read_lock();
    sync_read_unlock();
    return NULL; /* unregisters by itself, or the next grace period would wait for ever */
}

Test(thread, of_a_foreign_host_gives_its_index_and_its_registration_back, .timeout = 10)
{
    uint32_t indexes[2];
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, foreign_thread, &indexes[i]), 0);
        pthread_join(thread, NULL);
        sync_wait_readers();
    }
    cr_assert_eq(indexes[0], indexes[1]);
}

struct gate {
    struct sync_parker parker;
    _Atomic bool passed;
};

static void wait_at_gate(void *arg)
{
    struct gate *gate = arg;
    sync_park(&gate->parker, BASE_NO_DEADLINE);
    atomic_store_explicit(&gate->passed, true, memory_order_release);
}

Test(thread, join_until_gives_up_on_one_that_runs_and_takes_one_that_ended, .timeout = 10)
{
    struct gate gate = {0};
    struct sync_thread *thread = NULL;
    cr_assert_eq(sync_thread_start(&thread, "gate", SYNC_PLAIN, wait_at_gate, &gate), GLEANER_OK);
    cr_assert_not(sync_thread_join_until(&thread, base_mono_ns()));
    cr_assert_not_null(thread);
    sync_unpark(&gate.parker);
    cr_assert(sync_thread_join_until(&thread, BASE_NO_DEADLINE));
    cr_assert_null(thread);
    cr_assert(atomic_load_explicit(&gate.passed, memory_order_acquire));
    cr_assert(sync_thread_join_until(&thread, 0));
}

Test(thread, abandoned_ends_by_itself, .timeout = 10)
{
    static struct gate gate; /* outlives this function, as what an abandoned thread uses has to */
    struct sync_thread *thread = NULL;
    cr_assert_eq(sync_thread_start(&thread, "gate", SYNC_PLAIN, wait_at_gate, &gate), GLEANER_OK);
    sync_thread_abandon(&thread);
    cr_assert_null(thread);
    sync_unpark(&gate.parker);
    while (!atomic_load_explicit(&gate.passed, memory_order_acquire)) {
        sync_cpu_relax();
    }
}

Test(fork, child_knows_what_it_is_and_has_another_id)
{
    sync_init();
    sync_init();
    uint32_t parent_id = sync_thread_id();
    cr_assert_not(sync_in_forked_child());
    pid_t child = fork();
    if (child == 0) {
        _exit(sync_in_forked_child() && sync_thread_id() != parent_id ? 0 : 1);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    cr_assert_not(sync_in_forked_child());
}

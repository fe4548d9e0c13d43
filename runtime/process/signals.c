/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread takes all signals from a signalfd, so that nothing ever runs in signal context. The
 * commands poll two words from their own loop; only the second stop acts here, because then the
 * loop is what hangs.
 */
#include "process_internal.h"
#include "sync.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
    struct sync_thread *thread;
    int signal_fd, end_fd;
    /* writes: signal thread; reads: main; relaxed: they carry no data */
    _Atomic uint32_t stops;
    _Atomic uint32_t reloads;
    uint32_t reloads_taken; /* main's own */
    uint64_t first_ns;      /* of the first stop; the signal thread's own */
} signals = {.signal_fd = -1, .end_fd = -1};

static void fill_mask(sigset_t *mask)
{
    (void)sigemptyset(mask);
    (void)sigaddset(mask, SIGINT);
    (void)sigaddset(mask, SIGTERM);
    (void)sigaddset(mask, SIGHUP);
}

void signals_block(void)
{
    sigset_t mask;
    fill_mask(&mask);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    /* A closed pipe or socket is an error of the write, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
}

/* timeout(1) signals its child and then the child's group, a wrapper passes on the Ctrl-C that the
 * terminal already sent: two within this time are one wish. A person's second comes later. */
#define SAME_WISH_MS 250

static void stop_at_second(void)
{
    const uint64_t now_ns = base_mono_ns();
    if (signals.first_ns != 0 && now_ns - signals.first_ns < SAME_WISH_MS * BASE_NS_PER_MS) {
        return;
    }
    if (atomic_fetch_add_explicit(&signals.stops, 1, memory_order_relaxed) == 0) {
        signals.first_ns = now_ns;
        base_log_info("process", "event=stop_wanted second=\"a second signal ends at once\"");
        return;
    }
    static const char text[] =
        "\ngleaner: ended at once; nothing acknowledged is lost, the same command goes on\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(EXIT_STOPPED);
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (read(signals.signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            (void)atomic_fetch_add_explicit(&signals.reloads, 1, memory_order_relaxed);
        } else {
            stop_at_second();
        }
    }
}

static void run(void *arg)
{
    (void)arg;
    struct pollfd fds[] = {{.fd = signals.signal_fd, .events = POLLIN},
                           {.fd = signals.end_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, BASE_ARRAY_LEN(fds), -1) < 0 && errno != EINTR) {
            return;
        }
        if (fds[1].revents != 0) {
            return;
        }
        take_signals();
    }
}

enum gleaner_status signals_start(struct base_error *error)
{
    sigset_t mask;
    fill_mask(&mask);
    signals.signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    signals.end_fd = eventfd(0, EFD_CLOEXEC);
    if (signals.signal_fd < 0 || signals.end_fd < 0) {
        return base_error_set(error, GLEANER_E_IO, "no descriptor for signals: %s",
                              strerror(errno));
    }
    return sync_thread_start(&signals.thread, "signals", SYNC_PLAIN, run, NULL);
}

void signals_stop(void)
{
    const uint64_t one = 1;
    if (signals.thread != NULL && write(signals.end_fd, &one, sizeof one) == (ssize_t)sizeof one) {
        sync_thread_join(&signals.thread);
    }
    if (signals.signal_fd >= 0) {
        (void)close(signals.signal_fd);
    }
    if (signals.end_fd >= 0) {
        (void)close(signals.end_fd);
    }
    signals.signal_fd = signals.end_fd = -1;
}

bool signals_stop_wanted(void)
{
    return atomic_load_explicit(&signals.stops, memory_order_relaxed) > 0;
}

bool signals_take_reload(void)
{
    uint32_t seen = atomic_load_explicit(&signals.reloads, memory_order_relaxed);
    bool is_new = seen != signals.reloads_taken;
    signals.reloads_taken = seen;
    return is_new;
}

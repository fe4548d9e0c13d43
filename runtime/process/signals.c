/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread takes all signals from a signalfd, so that nothing ever runs in signal context. The
 * commands poll two words from their own loop. Two things act here, because then the loop is what
 * hangs: the second stop, and the end of the patience with which the first one is followed. A call
 * to a server that is frozen cannot be taken back, only left behind.
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
    int signal_fd, end_fd, kick_fd;
    /* writes: signal thread; reads: main; relaxed: it carries no data */
    _Atomic uint32_t reloads;
    uint32_t reloads_taken; /* main's own */
    /* when the first stop came, 0 = not yet
     * writes: signal thread, release; reads: main, acquire */
    _Atomic uint64_t first_ns;
    /* The end of all patience: `patience_ms` after the first stop, `leave_ns` in any case.
     * writes: main, release, then a kick; reads: signal thread, acquire: `leave_code` is older */
    _Atomic uint64_t patience_ms, leave_ns;
    _Atomic int leave_code;
    _Atomic bool is_quiet; /* writes: main; reads: signal thread; relaxed: a line more or less */
} signals = {
    .signal_fd = -1,
    .end_fd = -1,
    .kick_fd = -1,
    .patience_ms = UINT64_MAX,
    .leave_ns = UINT64_MAX,
    .leave_code = EXIT_STOPPED,
};

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
    const uint64_t first_ns = signals_stopped_ns();
    if (first_ns != 0 && now_ns - first_ns < SAME_WISH_MS * BASE_NS_PER_MS) {
        return;
    }
    if (first_ns == 0) {
        atomic_store_explicit(&signals.first_ns, now_ns, memory_order_release);
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

static uint64_t end_of_patience(void)
{
    uint64_t end_ns = atomic_load_explicit(&signals.leave_ns, memory_order_acquire);
    uint64_t patience_ms = atomic_load_explicit(&signals.patience_ms, memory_order_acquire);
    uint64_t first_ns = signals_stopped_ns();
    if (first_ns != 0 && patience_ms < UINT64_MAX / BASE_NS_PER_MS / 2) {
        uint64_t after_ns = first_ns + patience_ms * BASE_NS_PER_MS;
        end_ns = after_ns < end_ns ? after_ns : end_ns;
    }
    return end_ns;
}

/* No destructor may run: whoever hangs stands in the middle of a library. */
static void leave_if_due(uint64_t end_ns)
{
    if (base_mono_ns() < end_ns) {
        return;
    }
    if (atomic_load_explicit(&signals.is_quiet, memory_order_relaxed)) {
        _exit(atomic_load_explicit(&signals.leave_code, memory_order_relaxed));
    }
    base_log_warn("process", "event=left_behind what=\"a call that does not return\" "
                             "then=\"leases run out by themselves\"");
    _exit(atomic_load_explicit(&signals.leave_code, memory_order_relaxed));
}

static int poll_timeout_ms(uint64_t end_ns)
{
    const uint64_t now_ns = base_mono_ns();
    if (end_ns == UINT64_MAX) {
        return -1;
    }
    uint64_t left_ms = end_ns > now_ns ? (end_ns - now_ns) / BASE_NS_PER_MS + 1 : 0;
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

static void run(void *arg)
{
    (void)arg;
    struct pollfd fds[] = {{.fd = signals.signal_fd, .events = POLLIN},
                           {.fd = signals.end_fd, .events = POLLIN},
                           {.fd = signals.kick_fd, .events = POLLIN}};
    for (;;) {
        uint64_t end_ns = end_of_patience();
        leave_if_due(end_ns);
        if (poll(fds, BASE_ARRAY_LEN(fds), poll_timeout_ms(end_ns)) < 0 && errno != EINTR) {
            return;
        }
        if (fds[1].revents != 0) {
            return;
        }
        uint64_t kicks;
        ssize_t ignored = read(signals.kick_fd, &kicks, sizeof kicks);
        (void)ignored;
        take_signals();
    }
}

static void kick(void)
{
    const uint64_t one = 1;
    ssize_t ignored = signals.kick_fd >= 0 ? write(signals.kick_fd, &one, sizeof one) : 0;
    (void)ignored;
}

void signals_set_short_patience(uint64_t patience_ms, enum exit_code code)
{
    signals_set_patience(patience_ms, code);
    atomic_store_explicit(&signals.is_quiet, true, memory_order_relaxed);
}

void signals_set_patience(uint64_t patience_ms, enum exit_code code)
{
    atomic_store_explicit(&signals.is_quiet, false, memory_order_relaxed);
    atomic_store_explicit(&signals.leave_code, (int)code, memory_order_relaxed);
    atomic_store_explicit(&signals.patience_ms, patience_ms, memory_order_release);
    kick();
}

void signals_leave_by(uint64_t deadline_ns, enum exit_code code)
{
    atomic_store_explicit(&signals.leave_code, (int)code, memory_order_relaxed);
    atomic_store_explicit(&signals.leave_ns, deadline_ns, memory_order_release);
    kick();
}

enum gleaner_status signals_start(struct base_error *error)
{
    sigset_t mask;
    fill_mask(&mask);
    signals.signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    signals.end_fd = eventfd(0, EFD_CLOEXEC);
    signals.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals.signal_fd < 0 || signals.end_fd < 0 || signals.kick_fd < 0) {
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
    int *const fds[] = {&signals.signal_fd, &signals.end_fd, &signals.kick_fd};
    for (size_t i = 0; i < BASE_ARRAY_LEN(fds); i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]);
        }
        *fds[i] = -1;
    }
}

uint64_t signals_stopped_ns(void)
{
    return atomic_load_explicit(&signals.first_ns, memory_order_acquire);
}

bool signals_stop_wanted(void)
{
    return signals_stopped_ns() != 0;
}

bool signals_take_reload(void)
{
    uint32_t seen = atomic_load_explicit(&signals.reloads, memory_order_relaxed);
    bool is_new = seen != signals.reloads_taken;
    signals.reloads_taken = seen;
    return is_new;
}

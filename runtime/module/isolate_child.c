/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side of one child process: starting it, one page there and back, its end. */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HELLO_MS = 30000,     /* loading and open() */
    GRACE_MS = 100,       /* over the deadline before a module is killed: should_stop said so */
    KEEP_BYTES = 4 << 20, /* of a memory file between pages */
    LOOK_MS = 50          /* does the process stop meanwhile? */
};

static int memory_file(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Above the numbers that they get in the child: so none is overwritten before it is copied. */
static bool lift(int *fd)
{
    int high = *fd >= 0 ? fcntl(*fd, F_DUPFD_CLOEXEC, ISOLATE_FDS) : -1;
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = high;
    return high >= 0;
}

enum { FD_COUNT = ISOLATE_FDS - ISOLATE_SOCKET_FD };

static int spawn(const char *program, const char *path, const int fds[FD_COUNT], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)path, NULL};
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) {
        return code;
    }
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        (void)sigemptyset(&none);
        (void)sigfillset(&all);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setsigdefault(&attributes, &all);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        for (int i = 0; code == 0 && i < FD_COUNT; i++) {
            code = posix_spawn_file_actions_adddup2(&actions, fds[i], ISOLATE_SOCKET_FD + i);
        }
        code = code == 0 ? posix_spawn(pid, program, &actions, &attributes, argv, environ) : code;
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* Wait for a word until the deadline. 1 = it came, 0 = not yet, -1 = the child is gone. */
static int receive(const struct isolate_child *child, struct isolate_word *word, int wait_ms)
{
    struct pollfd poll_fd = {.fd = child->socket, .events = POLLIN};
    int ready = poll(&poll_fd, 1, wait_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) {
        return 0;
    }
    ssize_t len = ready > 0 ? recv(child->socket, word, sizeof *word, MSG_DONTWAIT) : -1;
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    word->text[ISOLATE_TEXT - 1] = '\0';
    return len == (ssize_t)sizeof *word && word->magic == ISOLATE_MAGIC ? 1 : -1;
}

bool isolate_send(const struct isolate_child *child, const struct isolate_word *word)
{
    /* There is room, or the child has said much and heard nothing: no word worth waiting for. */
    return send(child->socket, word, sizeof *word, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           (ssize_t)sizeof *word;
}

void isolate_child_end(struct isolate_child **at)
{
    struct isolate_child *child = *at;
    *at = NULL;
    if (child == NULL) {
        return;
    }
    const int fds[] = {child->socket, child->page_fd, child->calls_fd};
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    if (child->page != NULL) {
        (void)munmap(child->page, child->page_cap);
    }
    base_buffer_fini(&child->calls);
    free(child);
}

/* What the child's module called, copied out of its reach. */
static bool read_calls(struct isolate_child *child, size_t len)
{
    struct stat stat;
    base_buffer_reset(&child->calls, KEEP_BYTES);
    if (fstat(child->calls_fd, &stat) != 0 || len > (size_t)stat.st_size ||
        len > ISOLATE_CALLS_MAX || !base_buffer_reserve(&child->calls, len + 1)) {
        return false;
    }
    size_t at = 0;
    while (at < len) {
        ssize_t got = pread(child->calls_fd, child->calls.data + at, len - at, (off_t)at);
        if (got <= 0) {
            return false;
        }
        at += (size_t)got;
    }
    child->calls.len = len;
    return true;
}

static enum gleaner_status await_hello(struct isolate_child *child, const char *path,
                                       struct base_error *error)
{
    struct isolate_word hello;
    uint64_t deadline_ns = base_mono_ns() + HELLO_MS * BASE_NS_PER_MS;
    int got = 0;
    while (got == 0 && base_mono_ns() < deadline_ns) {
        got = receive(child, &hello, LOOK_MS);
    }
    if (got <= 0) {
        return base_error_set(error, got == 0 ? GLEANER_E_TIMEOUT : GLEANER_E_INVALID,
                              "module %s: its process %s while it was loaded", path,
                              got == 0 ? "did not answer" : "ended");
    }
    enum gleaner_status status = (enum gleaner_status)hello.value;
    if (status != GLEANER_OK) {
        return base_error_set(error, status, "%s", hello.text);
    }
    return hello.bytes <= ISOLATE_DESCRIPTION_MAX && read_calls(child, (size_t)hello.bytes)
               ? GLEANER_OK
               : base_error_set(error, GLEANER_E_INVALID,
                                "module %s: what its process says of it makes no sense", path);
}

static bool make_files(struct isolate_child *child, int file, int fds[FD_COUNT])
{
    int pair[2] = {-1, -1};
    child->page_fd = memory_file("gleaner-page");
    child->calls_fd = memory_file("gleaner-calls");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        pair[0] = pair[1] = -1;
    }
    child->socket = pair[0];
    bool is_lifted = lift(&child->page_fd);
    is_lifted = lift(&child->calls_fd) && is_lifted;
    is_lifted = lift(&pair[1]) && is_lifted;
    fds[0] = pair[1];
    fds[1] = child->page_fd;
    fds[2] = child->calls_fd;
    fds[3] = file;
    return is_lifted;
}

enum gleaner_status isolate_child_start(const char *program, const char *path, int file,
                                        struct isolate_child **out, struct base_buffer *description,
                                        struct base_error *error)
{
    int fds[FD_COUNT];
    struct isolate_child *child = calloc(1, sizeof *child);
    if (child == NULL) {
        return base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", path);
    }
    int code = make_files(child, file, fds) ? spawn(program, path, fds, &child->pid) : errno;
    if (fds[0] >= 0) {
        (void)close(fds[0]);
    }
    enum gleaner_status status =
        code != 0 ? base_error_set(error, GLEANER_E_IO, "module %s: %s cannot be started: %s", path,
                                   program, strerror(code))
                  : await_hello(child, path, error);
    if (status == GLEANER_OK && description != NULL &&
        !base_buffer_append(description, child->calls.data, child->calls.len)) {
        status = base_error_set(error, GLEANER_E_NOMEM, "module %s: no memory", path);
    }
    if (status != GLEANER_OK) {
        isolate_child_end(&child);
        return status;
    }
    *out = child;
    return GLEANER_OK;
}

/* ---- a page ---- */

/* Map the page file at least this large. */
bool isolate_reserve_page(struct isolate_child *child, size_t bytes)
{
    if (bytes <= child->page_cap) {
        return true;
    }
    size_t cap = (bytes + bytes / 2 + 65535) & ~(size_t)65535;
    void *at = ftruncate(child->page_fd, (off_t)cap) == 0
                   ? mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, child->page_fd, 0)
                   : MAP_FAILED;
    if (at == MAP_FAILED) {
        return false;
    }
    if (child->page != NULL) {
        (void)munmap(child->page, child->page_cap);
    }
    child->page = at;
    child->page_cap = cap;
    return true;
}

char *isolate_put(char *to, const void *text, size_t len)
{
    memcpy(to, text, len);
    to[len] = '\0';
    return to + len + 1;
}

static enum isolate_raw raw_of(const struct gleaner_page *page)
{
    if (page->raw == NULL) {
        return ISOLATE_RAW_NONE;
    }
    /* UTF-8 needs no decoding. */
    bool is_body =
        page->raw_len == page->body_len && memcmp(page->raw, page->body, page->raw_len) == 0;
    return is_body ? ISOLATE_RAW_BODY : ISOLATE_RAW_OWN;
}

static bool write_page(struct isolate_child *child, const struct gleaner_page *page,
                       struct isolate_word *word)
{
    const char *agent = page->robots_agent != NULL ? page->robots_agent : "";
    const struct isolate_page head = {
        .url_len = page->url_len,
        .body_len = page->body_len,
        .content_type_len = strlen(page->content_type),
        .charset_len = strlen(page->charset),
        .type_len = strlen(page->type),
        .fetched_at_ms = page->fetched_at_ms,
        .http_status = page->http_status,
        .depth = page->depth,
        .want_markdown = page->want_markdown,
        .want_links = page->want_links,
        .raw_len = page->raw_len,
        .robots_agent_len = strlen(agent),
        .raw = (uint8_t)raw_of(page),
    };
    size_t bytes = sizeof head + head.url_len + head.body_len + head.content_type_len +
                   head.charset_len + head.type_len + head.robots_agent_len +
                   (head.raw == ISOLATE_RAW_OWN ? head.raw_len : 0) + 7;
    if (!isolate_reserve_page(child, bytes + 4096)) { /* a setting has room behind it */
        return false;
    }
    memcpy(child->page, &head, sizeof head);
    char *to = isolate_put(child->page + sizeof head, page->url, page->url_len);
    to = isolate_put(to, page->body, page->body_len);
    to = isolate_put(to, page->content_type, head.content_type_len);
    to = isolate_put(to, page->charset, head.charset_len);
    to = isolate_put(to, page->type, head.type_len);
    to = isolate_put(to, agent, head.robots_agent_len);
    if (head.raw == ISOLATE_RAW_OWN) {
        (void)isolate_put(to, page->raw, page->raw_len);
    }
    word->bytes = bytes;
    return true;
}

/* A large page leaves no large files behind: the holes cost nothing. */
static void trim(const struct isolate_child *child)
{
    const struct {
        int fd;
        size_t used;
    } files[] = {{child->page_fd, child->page_used}, {child->calls_fd, child->calls.len}};
    for (size_t i = 0; i < BASE_ARRAY_LEN(files); i++) {
        if (files[i].used > KEEP_BYTES) {
            (void)fallocate(files[i].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                            (off_t)files[i].used);
        }
    }
}

/* It is dead or as good as dead: how did it end? */
static void bury(struct isolate_child *child, char *why, size_t why_size)
{
    int code = 0;
    (void)kill(child->pid, SIGKILL); /* it may have closed its socket and live */
    pid_t dead;
    do {
        dead = waitpid(child->pid, &code, 0);
    } while (dead < 0 && errno == EINTR);
    child->pid = 0;
    if (dead > 0 && WIFSIGNALED(code)) {
        (void)snprintf(why, why_size, "the module's process died of signal %d (%s)", WTERMSIG(code),
                       strsignal(WTERMSIG(code)));
    } else {
        (void)snprintf(why, why_size, "the module ended its process (exit code %d)",
                       dead > 0 && WIFEXITED(code) ? WEXITSTATUS(code) : -1);
    }
}

/* The child's next word that is not answered here; 0 = it overran. */
static int converse(struct isolate_child *child, const struct gleaner_host *host,
                    struct gleaner_task *task, struct isolate_word *word, size_t page_bytes)
{
    uint64_t end_ns = host->deadline_ns(task) + GRACE_MS * BASE_NS_PER_MS;
    for (uint64_t over_ns = 0;;) {
        int got = receive(child, word, LOOK_MS);
        if (got > 0 && word->kind != ISOLATE_DONE) {
            got = isolate_answer(child, host, task, word, page_bytes) ? 0 : -1;
        }
        if (got != 0) {
            return got;
        }
        uint64_t now_ns = base_mono_ns();
        /* The process stops, and waits no longer than for a module that is here. */
        over_ns =
            host->should_stop(task) && over_ns == 0 ? now_ns + GRACE_MS * BASE_NS_PER_MS : over_ns;
        if (now_ns >= end_ns || (over_ns != 0 && now_ns >= over_ns)) {
            return 0;
        }
    }
}

enum isolate_end isolate_child_handle(struct isolate_child *child, const struct gleaner_host *host,
                                      struct gleaner_task *task, const struct gleaner_page *page,
                                      enum gleaner_verdict *verdict, char *why, size_t why_size)
{
    struct isolate_word word = {
        .magic = ISOLATE_MAGIC, .kind = ISOLATE_PAGE, .deadline_ns = host->deadline_ns(task)};
    if (!write_page(child, page, &word)) {
        return ISOLATE_NO_MEMORY;
    }
    size_t page_bytes = (size_t)word.bytes;
    child->page_used = page_bytes;
    int got = isolate_send(child, &word) ? converse(child, host, task, &word, page_bytes) : -1;
    if (got == 0) {
        bury(child, why, why_size);
        (void)snprintf(why, why_size, "the module ran over its deadline and was killed");
        return ISOLATE_OVERRAN;
    }
    if (got < 0 || word.kind != ISOLATE_DONE) {
        bury(child, why, why_size);
        return ISOLATE_DIED;
    }
    *verdict = (enum gleaner_verdict)word.value;
    bool is_good = read_calls(child, (size_t)word.bytes) &&
                   isolate_replay(child->calls.data, child->calls.len, host, task, verdict);
    if (!is_good) {
        bury(child, why, why_size);
        (void)snprintf(why, why_size, "what the module's process said makes no sense");
        return ISOLATE_DIED;
    }
    trim(child);
    return ISOLATE_ANSWERED;
}

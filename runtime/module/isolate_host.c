/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gleaner-module-host MODULE.so: the child process. One module, one page at a time on one thread;
 * another one ends the process with its parent. The module's file comes open, so that every child
 * of a generation runs the same code, whatever has taken the file's place meanwhile.
 */
#include "isolate_task.h"
#include "sync.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The parent is gone: nobody wants what we do. */
void isolate_say(const struct isolate_word *word)
{
    if (send(ISOLATE_SOCKET_FD, word, sizeof *word, MSG_NOSIGNAL) != (ssize_t)sizeof *word) {
        _exit(0);
    }
}
void isolate_hear(struct isolate_word *word)
{
    ssize_t len;
    do {
        len = recv(ISOLATE_SOCKET_FD, word, sizeof *word, 0);
    } while (len < 0 && errno == EINTR);
    if (len != (ssize_t)sizeof *word || word->magic != ISOLATE_MAGIC) {
        _exit(0);
    }
}

/* ---- pages ---- */

static const char *take(const char **at, uint64_t len)
{
    const char *text = *at;
    *at += len + 1;
    return text;
}

static void one_page(const struct module_loaded *loaded, struct gleaner_task *task,
                     const char *mapped, struct isolate_word *word)
{
    struct isolate_page head;
    memcpy(&head, mapped, sizeof head);
    const char *at = mapped + sizeof head;
    struct gleaner_page page = {.size = sizeof page,
                                .url_len = (size_t)head.url_len,
                                .body_len = (size_t)head.body_len,
                                .http_status = head.http_status,
                                .depth = head.depth,
                                .fetched_at_ms = head.fetched_at_ms,
                                .want_markdown = head.want_markdown != 0,
                                .want_links = head.want_links != 0};
    page.url = take(&at, head.url_len);
    page.body = take(&at, head.body_len);
    page.content_type = take(&at, head.content_type_len);
    page.charset = take(&at, head.charset_len);
    page.type = take(&at, head.type_len);
    page.robots_agent = take(&at, head.robots_agent_len);
    page.raw_len = (size_t)head.raw_len;
    page.raw = head.raw == ISOLATE_RAW_BODY  ? page.body
               : head.raw == ISOLATE_RAW_OWN ? take(&at, head.raw_len)
                                             : NULL;
    task->len = 0;
    task->failed = task->has_document = false;
    task->deadline_ns = word->deadline_ns;
    enum gleaner_verdict verdict =
        loaded->module->handle(loaded->state, &isolate_services, task, &page);
    isolate_services.doc_abort(task);
    isolate_fetch_reset(task);
    *word = (struct isolate_word){
        .magic = ISOLATE_MAGIC,
        .kind = ISOLATE_DONE,
        .value = task->failed && verdict == GLEANER_PAGE_DONE ? GLEANER_PAGE_RETRY : verdict,
        .bytes = task->failed ? 0 : task->len};
    isolate_say(word);
}

static void serve(const struct module_loaded *loaded)
{
    static struct gleaner_task task;
    char *mapped = NULL;
    size_t cap = 0;
    for (;;) {
        struct isolate_word word;
        struct stat stat;
        isolate_hear(&word);
        if (word.kind != ISOLATE_PAGE || fstat(ISOLATE_PAGE_FD, &stat) != 0) {
            _exit(1);
        }
        if ((size_t)stat.st_size > cap) { /* it only grows */
            if (mapped != NULL) {
                (void)munmap(mapped, cap);
            }
            cap = (size_t)stat.st_size;
            mapped = mmap(NULL, cap, PROT_READ, MAP_SHARED, ISOLATE_PAGE_FD, 0);
        }
        if (mapped == NULL || mapped == MAP_FAILED || word.bytes > cap) {
            _exit(1);
        }
        one_page(loaded, &task, mapped, &word);
    }
}

/* ---- what it is ---- */

static void put_list(struct base_buffer *out, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        if (**texts != '\0') { /* it would end the list */
            base_buffer_append(out, *texts, strlen(*texts) + 1);
        }
    }
    base_buffer_append_char(out, '\0');
}

/* Into the calls file: name, version, types, and the names of its settings, if it says any. */
static bool describe(const struct gleaner_module *module, struct isolate_word *hello)
{
    struct base_buffer text = {0};
    const char *version = module->version != NULL ? module->version : "";
    const char *const identity[] = {module->name, version, NULL};
    const char *const *settings = module_setting_names(module);
    put_list(&text, identity);
    put_list(&text, module->types);
    if (settings != NULL) {
        put_list(&text, settings);
    }
    bool is_good = !text.failed && text.len <= ISOLATE_DESCRIPTION_MAX &&
                   pwrite(ISOLATE_CALLS_FD, text.data, text.len, 0) == (ssize_t)text.len;
    hello->bytes = text.len;
    base_buffer_fini(&text);
    return is_good;
}

static enum gleaner_status load(struct module_loaded **out, struct isolate_word *hello,
                                struct base_error *error)
{
    char file[40];
    (void)snprintf(file, sizeof file, "/proc/self/fd/%d", ISOLATE_FILE_FD);
    enum gleaner_status status = module_loaded_open(file, NULL, out, error);
    if (status == GLEANER_OK) {
        status = module_loaded_start(*out, &isolate_services, error);
    }
    if (status == GLEANER_OK && !describe((*out)->module, hello)) {
        status = base_error_set(error, GLEANER_E_LIMIT,
                                "module %s: what it says of itself is too long", (*out)->path);
    }
    return status;
}

/* The parent's end of the socket closes with the parent. (PR_SET_PDEATHSIG would tell of the end of
 * the thread that started us, while another one of its process waits for our answer.) */
static void end_with_parent(void *arg)
{
    struct pollfd parent = {.fd = ISOLATE_SOCKET_FD};
    (void)arg;
    while (poll(&parent, 1, -1) < 0 && errno == EINTR) {
    }
    _exit(0);
}

int main(int argc, char *argv[])
{
    struct module_loaded *loaded = NULL;
    struct sync_thread *watch = NULL;
    struct base_error error = {0};
    struct isolate_word hello = {.magic = ISOLATE_MAGIC, .kind = ISOLATE_HELLO};
    struct stat stat;
    (void)argv; /* the file is open; its name is for people who look at the processes */
    if (argc != 2 || fstat(ISOLATE_CALLS_FD, &stat) != 0) {
        (void)fprintf(stderr, "gleaner-module-host is started by gleaner --isolate\n");
        return 2;
    }
    /* Nothing of the parent's but what is ours; it dies, we die, even inside an endless loop; what
     * a terminal says to all of us (Ctrl-C) is for the parent, which lets pages be finished. */
    (void)close_range(ISOLATE_FDS, ~0u, 0);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    enum gleaner_status status =
        sync_thread_start(&watch, "gl-parent", SYNC_PLAIN, end_with_parent, NULL);
    status = status == GLEANER_OK ? load(&loaded, &hello, &error)
                                  : base_error_set(&error, status, "no thread for a module");
    hello.value = status;
    if (status != GLEANER_OK) {
        (void)snprintf(hello.text, sizeof hello.text, "%s", error.message);
    }
    isolate_say(&hello);
    if (status == GLEANER_OK) {
        serve(loaded);
    }
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gleaner worker --stdio: the application's old worker as a child process.
 *
 * main reads lines. Pages go to the fetch engine and come back to the worker threads, each with a
 * desk; scans and searches go to one thread of their own. At most --concurrency requests are held:
 * then the next line waits in the pipe. Whoever finishes a request writes its reply, after what it
 * found is stored (or in the spool). At the end of the input, after `shutdown`, or at a signal no
 * more is read, and everything that was read is answered.
 */
#include "stdio_station.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1u << 20)
#define TICK_MS 100

/* ---- replies ---- */

/* Ends the request: it is answered and freed. */
void station_answer(struct station *station, struct request *request, const struct reply *reply)
{
    struct base_buffer line = {0};
    reply_write(request, reply, &line);
    sync_mutex_lock(station->lock);
    bool is_good = !line.failed && fwrite(line.data, 1, line.len, stdout) == line.len;
    station->is_mute |= !is_good || fflush(stdout) != 0;
    station->held--;
    sync_cond_broadcast(station->changed);
    sync_mutex_unlock(station->lock);
    base_buffer_fini(&line);
    request_free(&request);
}

void station_refuse(struct station *station, struct request *request, const char *why)
{
    char shown[600];
    base_redact_uri(why, shown, sizeof shown);
    station_answer(station, request, &(struct reply){.message = "failed", .error = shown});
}

/* ---- requests ---- */

/* Takes the request. */
static void begin(struct station *station, struct request *request)
{
    char url[8192];
    struct base_error error = {0};
    if (request->kind != REQUEST_SCRAPE) {
        if (sync_ring_push(station->errands, request, BASE_NO_DEADLINE) != GLEANER_OK) {
            station_refuse(station, request, "the process is stopping");
        }
        return;
    }
    if (work_normalise_url(request->text, url, sizeof url, &error) != GLEANER_OK) {
        station_refuse(station, request, error.message);
        return;
    }
    const struct fetch_request page = {.url = url, .user = request, .follow_redirects = true};
    if (fetch_submit(station->work->fetch, &page) != GLEANER_OK) {
        station_refuse(station, request, "the process is stopping");
    }
}

/* One more is held; waits while too many are. */
static void hold(struct station *station)
{
    sync_mutex_lock(station->lock);
    while (station->held >= station->work->settings->concurrency && !station->is_mute &&
           !signals_stop_wanted()) {
        (void)sync_cond_wait(station->changed, station->lock,
                             base_mono_ns() + TICK_MS * BASE_NS_PER_MS);
    }
    station->held++;
    sync_mutex_unlock(station->lock);
}

/* True to go on reading; `shutdown` comes back in *last, to be answered when all others are. */
static bool take_line(struct station *station, const char *line, size_t len, struct request **last)
{
    struct request *request = NULL;
    struct base_error error = {0};
    if (len == 0) {
        return true;
    }
    hold(station);
    enum gleaner_status status =
        len > LINE_MAX_BYTES ? base_error_set(&error, GLEANER_E_LIMIT,
                                              "a line of more than %u bytes", LINE_MAX_BYTES)
                             : request_parse(line, len, &request, &error);
    if (status != GLEANER_OK || request == NULL) {
        station_refuse(station, request, error.message);
    } else if (request->kind == REQUEST_SHUTDOWN) {
        *last = request;
        return false;
    } else {
        begin(station, request);
    }
    return true;
}

/* ---- reading ---- */

struct reading {
    struct base_buffer bytes;
    bool is_skipping; /* the rest of a line that was too long */
};

static bool take_lines(struct station *station, struct reading *reading, struct request **last)
{
    char *start = reading->bytes.data, *end = start + reading->bytes.len, *stop;
    bool goes_on = true;
    while (goes_on && (stop = memchr(start, '\n', (size_t)(end - start))) != NULL) {
        size_t len = (size_t)(stop - start);
        len -= len > 0 && start[len - 1] == '\r';
        if (!reading->is_skipping) {
            goes_on = take_line(station, start, len, last);
        }
        reading->is_skipping = false;
        start = stop + 1;
    }
    reading->bytes.len = (size_t)(end - start);
    memmove(reading->bytes.data, start, reading->bytes.len);
    if (goes_on && reading->bytes.len > LINE_MAX_BYTES) {
        goes_on = reading->is_skipping ||
                  take_line(station, reading->bytes.data, reading->bytes.len, last);
        reading->is_skipping = true;
        reading->bytes.len = 0;
    }
    return goes_on;
}

static bool is_over(struct station *station)
{
    sync_mutex_lock(station->lock);
    bool is_mute = station->is_mute;
    sync_mutex_unlock(station->lock);
    return is_mute || signals_stop_wanted();
}

/* Until the input ends. The last line may lack its end. */
static void read_all(struct station *station, struct request **last)
{
    struct reading reading = {0};
    char chunk[16384];
    bool goes_on = true;
    while (goes_on && !is_over(station)) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, TICK_MS) <= 0) {
            continue;
        }
        ssize_t len = read(STDIN_FILENO, chunk, sizeof chunk);
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len <= 0) {
            if (!reading.is_skipping && reading.bytes.len > 0) {
                (void)take_line(station, reading.bytes.data, reading.bytes.len, last);
            }
            break;
        }
        base_buffer_append(&reading.bytes, chunk, (size_t)len);
        goes_on = !reading.bytes.failed && take_lines(station, &reading, last);
    }
    base_buffer_fini(&reading.bytes);
}

/* ---- the command ---- */

static enum gleaner_status start(struct station *station, struct settings *settings,
                                 struct base_error *error)
{
    struct work *work = station->work;
    enum gleaner_status status = work_load_modules(work, error);
    if (status == GLEANER_OK) {
        status = work_open_stores(work, settings, WORK_CRAWL, error);
    }
    if (status == GLEANER_OK) {
        status = work_start_fetch(work, error);
    }
    if (status == GLEANER_OK && (sync_mutex_create(&station->lock) != GLEANER_OK ||
                                 sync_cond_create(&station->changed) != GLEANER_OK ||
                                 sync_ring_create(&station->errands, 64) != GLEANER_OK)) {
        status = base_error_set(error, GLEANER_E_NOMEM, "no memory for the queue of requests");
    }
    if (status == GLEANER_OK) {
        status = sync_thread_start(&station->errand_thread, "errands", SYNC_READER,
                                   station_run_errands, station);
    }
    uint32_t wanted = work_threads(settings);
    for (uint32_t i = 0; status == GLEANER_OK && i < wanted && i < STATION_THREADS_MAX; i++) {
        status = sync_thread_start(&station->threads[i], "worker", SYNC_READER, station_run_pages,
                                   station);
        station->thread_count += status == GLEANER_OK;
    }
    return status;
}

/* What was read is answered: within the drain after a signal, in full otherwise. `left` are not
 * waited for: the shutdown itself. */
static void finish_all(struct station *station, uint64_t left)
{
    struct work *work = station->work;
    uint64_t drain_ns = work->settings->drain_ms * BASE_NS_PER_MS;
    bool is_drained = false;
    sync_mutex_lock(station->lock);
    while (station->held > left && !station->is_mute) {
        (void)sync_cond_wait(station->changed, station->lock,
                             base_mono_ns() + TICK_MS * BASE_NS_PER_MS);
        if (signals_stop_wanted() && !is_drained) { /* the rest comes back as cancelled */
            is_drained = true;
            sync_mutex_unlock(station->lock);
            fetch_drain(work->fetch, signals_stopped_ns() + drain_ns);
            sync_mutex_lock(station->lock);
        }
    }
    sync_mutex_unlock(station->lock);
}

static void stop(struct station *station)
{
    if (station->work->fetch != NULL) {
        fetch_drain(station->work->fetch, base_mono_ns());
    }
    for (uint32_t i = 0; i < station->thread_count; i++) {
        sync_thread_join(&station->threads[i]);
    }
    if (station->errands != NULL) {
        sync_ring_close(station->errands);
        sync_thread_join(&station->errand_thread);
        sync_ring_destroy(&station->errands);
    }
    if (station->changed != NULL) {
        sync_cond_destroy(&station->changed);
    }
    if (station->lock != NULL) {
        sync_mutex_destroy(&station->lock);
    }
}

static int serve(struct station *station)
{
    struct request *last = NULL;
    read_all(station, &last);
    finish_all(station, last != NULL ? 1 : 0);
    if (last != NULL) {
        station_answer(station, last,
                       &(struct reply){.success = true, .message = "all is answered"});
    }
    return station->is_mute ? EXIT_OTHER : signals_stop_wanted() ? EXIT_STOPPED : EXIT_COMPLETE;
}

int command_worker(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct work work = {.settings = settings};
    struct station station = {.work = &work};
    struct base_error error = {0};
    if (!settings->stdio) {
        (void)base_error_set(&error, GLEANER_E_CONFIG,
                             "worker speaks on its standard files alone: gleaner worker --stdio");
        print_error(&error);
        return EXIT_USAGE;
    }
    work_set_patience(&work, settings->drain_ms, EXIT_STOPPED);
    enum gleaner_status status = start(&station, settings, &error);
    work_set_patience(&work, settings->drain_ms, EXIT_STOPPED); /* now it knows of the server */
    int code = status == GLEANER_OK ? serve(&station) : (int)work_exit_code(status);
    if (status != GLEANER_OK) {
        print_error(&error);
    }
    stop(&station);
    work_close_soon(&work, (enum exit_code)code);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of the status server's thread, done by the main thread: the one that owns the settings.
 * One waits at a time (that server has one thread); it lives on the asker's stack, so the asker may
 * leave only while it was not taken.
 */
#include "process_internal.h"
#include "sync.h"
#include <stdlib.h>

#define TURN_MS 4000 /* the asker's own client gives up after 5 s */

enum request_state { REQUEST_WAITS, REQUEST_TAKEN, REQUEST_DONE };

/* Filled by the asker before it is posted; the answer is the main thread's while it is TAKEN. */
struct request {
    control_do what;
    const char *text;
    struct base_buffer *out;
    struct base_error *error;
    enum gleaner_status status;
    enum request_state state; /* guarded by the lock */
};

struct control {
    struct sync_mutex *lock; /* protects the rest; taken under no other lock */
    struct sync_cond *changed;
    struct request *posted;
    bool is_closed;
};

enum gleaner_status control_create(struct control **out)
{
    struct control *control = calloc(1, sizeof *control);
    *out = control;
    if (control == NULL || sync_mutex_create(&control->lock) != GLEANER_OK ||
        sync_cond_create(&control->changed) != GLEANER_OK) {
        control_destroy(out);
        return GLEANER_E_NOMEM;
    }
    return GLEANER_OK;
}

void control_destroy(struct control **control)
{
    if (*control == NULL) {
        return;
    }
    if ((*control)->changed != NULL) {
        sync_cond_destroy(&(*control)->changed);
    }
    if ((*control)->lock != NULL) {
        sync_mutex_destroy(&(*control)->lock);
    }
    free(*control);
    *control = NULL;
}

/* False when nobody took it in time: it is taken back. */
static bool wait_done_locked(struct control *control, struct request *request, uint64_t deadline_ns)
{
    BASE_ASSERT(sync_mutex_is_mine(control->lock));
    bool in_time = true;
    while (request->state != REQUEST_DONE && (in_time || request->state == REQUEST_TAKEN)) {
        uint64_t until_ns = request->state == REQUEST_TAKEN ? BASE_NO_DEADLINE : deadline_ns;
        in_time = sync_cond_wait(control->changed, control->lock, until_ns);
    }
    if (request->state == REQUEST_WAITS) {
        control->posted = NULL;
    }
    return request->state == REQUEST_DONE;
}

enum gleaner_status control_ask(struct control *control, control_do what, const char *text,
                                struct base_buffer *out, struct base_error *error)
{
    struct request request = {.what = what, .text = text, .out = out, .error = error};
    uint64_t deadline_ns = base_mono_ns() + TURN_MS * BASE_NS_PER_MS;
    sync_mutex_lock(control->lock);
    if (control->is_closed || control->posted != NULL) {
        request.status = base_error_set(error, GLEANER_E_CLOSED, "the process is stopping");
    } else {
        /* cppcheck-suppress autoVariables ; whoever waits takes it back before it returns */
        control->posted = &request;
        if (!wait_done_locked(control, &request, deadline_ns)) {
            request.status =
                base_error_set(error, GLEANER_E_TIMEOUT,
                               "the process did not come to it within %d s", TURN_MS / 1000);
        }
    }
    sync_mutex_unlock(control->lock);
    return request.status;
}

static void finish(struct control *control, struct request *request, enum gleaner_status status)
{
    sync_mutex_lock(control->lock);
    request->status = status;
    request->state = REQUEST_DONE;
    sync_cond_broadcast(control->changed);
    sync_mutex_unlock(control->lock);
}

void control_serve(struct control *control, struct live *live)
{
    sync_mutex_lock(control->lock);
    struct request *request = control->posted;
    if (request != NULL) {
        control->posted = NULL;
        request->state = REQUEST_TAKEN;
    }
    sync_mutex_unlock(control->lock);
    if (request != NULL) {
        finish(control, request, request->what(live, request->text, request->out, request->error));
    }
}

void control_close(struct control *control)
{
    sync_mutex_lock(control->lock);
    control->is_closed = true;
    struct request *request = control->posted;
    control->posted = NULL;
    sync_mutex_unlock(control->lock);
    if (request != NULL) {
        (void)base_error_set(request->error, GLEANER_E_CLOSED, "the process is stopping");
        finish(control, request, GLEANER_E_CLOSED);
    }
}

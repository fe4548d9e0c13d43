/* SPDX-License-Identifier: Apache-2.0 */
/* What the child's module called, called again at the real host. Lengths are checked, order is
 * not: the host itself stands a module that calls in any order. */
#include "isolate.h"

#include <string.h>

/* One call: its parts as strings that end with a NUL, in `text`. */
struct replay {
    const struct gleaner_host *host;
    struct gleaner_task *task;
    struct base_buffer name, text;
    bool is_refused; /* a document that the child thought stored was not */
};

static void replay_field(struct replay *r, const struct isolate_call *call)
{
    const struct gleaner_host *host = r->host;
    const char *name = r->name.data;
    switch (call->kind) {
    case CALL_DOC_TEXT:
        host->doc_text(r->task, name, r->text.data, r->text.len);
        break;
    case CALL_DOC_INT:
        host->doc_int(r->task, name, call->number);
        break;
    case CALL_DOC_BOOL:
        host->doc_bool(r->task, name, call->number != 0);
        break;
    case CALL_DOC_DATE:
        host->doc_date(r->task, name, call->number);
        break;
    case CALL_DOC_NULL:
        host->doc_null(r->task, name);
        break;
    default:
        host->doc_open(r->task, name, call->number != 0);
        break;
    }
}

/* Names of counters live as long as their module: the host copies them. */
static bool replay_call(struct replay *r, const struct isolate_call *call)
{
    const struct gleaner_host *host = r->host;
    switch (call->kind) {
    case CALL_DOC_BEGIN:
        r->is_refused |= host->doc_begin(r->task, call->number != 0 ? r->name.data : NULL,
                                         r->text.data, r->text.len) != GLEANER_OK;
        return true;
    case CALL_DOC_CLOSE:
        host->doc_close(r->task);
        return true;
    case CALL_DOC_COMMIT: {
        enum gleaner_status status = host->doc_commit(r->task);
        r->is_refused |= status == GLEANER_E_NOMEM;
        return true;
    }
    case CALL_DOC_ABORT:
        host->doc_abort(r->task);
        return true;
    case CALL_FOLLOW:
        host->follow(r->task, r->text.data, r->text.len);
        return true;
    case CALL_LOG:
        host->log(r->task, (int)call->number, r->text.data);
        return true;
    case CALL_COUNT:
        host->count(r->task, r->name.data, (uint64_t)call->number);
        return true;
    case CALL_CONTENT_FOUND:
        host->content_found(r->task, call->number != 0);
        return true;
    case CALL_PAGE_ROBOTS:
        host->page_robots(r->task, (call->number & 1) != 0, (call->number & 2) != 0);
        return true;
    default:
        if (call->kind < CALL_DOC_TEXT || call->kind > CALL_DOC_OPEN) {
            return false;
        }
        replay_field(r, call);
        return true;
    }
}

static bool copy(struct base_buffer *to, const char *from, size_t len)
{
    base_buffer_reset(to, 1 << 20);
    return base_buffer_append(to, from, len) && base_buffer_append_char(to, '\0') && (to->len--, 1);
}

bool isolate_replay(const char *calls, size_t len, const struct gleaner_host *host,
                    struct gleaner_task *task, enum gleaner_verdict *verdict)
{
    struct replay r = {.host = host, .task = task};
    bool is_good = true;
    for (size_t at = 0; is_good && at < len;) {
        struct isolate_call call;
        is_good = len - at >= sizeof call;
        if (is_good) {
            memcpy(&call, calls + at, sizeof call);
            at += sizeof call;
            size_t left = len - at;
            is_good = call.name_len <= left && call.text_len <= left - call.name_len &&
                      copy(&r.name, calls + at, call.name_len) &&
                      copy(&r.text, calls + at + call.name_len, (size_t)call.text_len) &&
                      replay_call(&r, &call);
            at += (call.name_len + (size_t)call.text_len + 7) & ~(size_t)7;
        }
    }
    base_buffer_fini(&r.name);
    base_buffer_fini(&r.text);
    bool is_known = *verdict >= GLEANER_PAGE_DONE && *verdict <= GLEANER_PAGE_SKIPPED;
    if (is_good && is_known && r.is_refused && *verdict == GLEANER_PAGE_DONE) {
        *verdict = GLEANER_PAGE_RETRY; /* the module does not know */
    }
    return is_good && is_known;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies too large to lie in memory while they come in: what finds no room there goes into a file
 * that has no name, and is mapped when it is complete and within its limit. A bomb, or a body
 * without an end, is never mapped: whatever --max-body says, it costs no more memory than a page.
 */
#include "fetch_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What every body may have in memory; thousands of transfers have less each, as their read buffers
 * have (fetch_transfer.c). */
#define KEEP_BYTES (128u << 10)
#define KEEP_BYTES_MANY (64u << 10)
#define KEEP_BYTES_THOUSANDS (32u << 10)
#define MANY_TRANSFERS 256
#define THOUSANDS_OF_TRANSFERS 2048

/* A file costs 0.3 ms of CPU for a page of 460 KB (bench/fetch), so a few bodies at a time grow on
 * in memory. Of the 1,699 pages of python3-doc and postgresql-doc 105 are larger than KEEP_BYTES,
 * two larger than MOST_BYTES. EXTRA_BYTES is what all bodies under way have beyond their own. */
#define MOST_BYTES (1u << 20)
#define EXTRA_BYTES (2u << 20)

uint64_t fetch_spill_keep_bytes(uint32_t max_transfers)
{
    return max_transfers > THOUSANDS_OF_TRANSFERS ? KEEP_BYTES_THOUSANDS
           : max_transfers > MANY_TRANSFERS       ? KEEP_BYTES_MANY
                                                  : KEEP_BYTES;
}

/* ---- the place ------------------------------------------------------------------------------ */

bool fetch_spills_init(struct fetch_spills *spills, const char *directory, uint64_t most)
{
    spills->most = most;
    spills->warned.period_ns = 60 * BASE_NS_PER_S;
    spills->warned.burst = 1;
    spills->directory = directory != NULL ? strdup(directory) : NULL;
    return directory == NULL || spills->directory != NULL;
}

void fetch_spills_fini(struct fetch_spills *spills)
{
    BASE_ASSERT(atomic_load_explicit(&spills->bytes, memory_order_relaxed) == 0);
    BASE_ASSERT(atomic_load_explicit(&spills->extra_bytes, memory_order_relaxed) == 0);
    free(spills->directory);
    spills->directory = NULL;
}

/* Some file systems know no files without a name. */
static int open_named(const char *directory)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/gleaner-body.XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(path);
    }
    return fd;
}

static int open_in(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        fd = open_named(directory);
    }
    return fd;
}

/* The directory that was named, else the one for temporary files. memfd_create() would be memory
 * again. Returns 0 or an errno. */
static int open_file(struct fetch_spill *spill, const struct fetch_spills *spills)
{
    const char *temporary = getenv("TMPDIR");
    int fd = spills->directory != NULL ? open_in(spills->directory) : -1;
    if (fd < 0 && (spills->directory == NULL || errno != EMFILE)) {
        fd = open_in(temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
    }
    spill->fd = fd;
    spill->is_open = fd >= 0;
    return fd >= 0 ? 0 : errno;
}

/* ---- one body ------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Move what lies in memory into the file. */
static int flush_body(struct fetch_box *box)
{
    struct fetch_spill *spill = &box->spill;
    struct fetch_spills *spills = box->spills;
    struct base_buffer *body = &box->body;
    int why = spill->is_open ? 0 : open_file(spill, spills);
    if (why != 0 || body->len == 0) {
        return why;
    }
    /* Before it is written, so that all bodies together never pass the limit. */
    uint64_t sum = atomic_fetch_add_explicit(&spills->bytes, body->len, memory_order_relaxed);
    spill->bytes += body->len;
    if (sum + body->len > spills->most) {
        return FETCH_SPILL_FULL;
    }
    why = write_all(spill->fd, body->data, body->len);
    body->len = 0;
    return why;
}

static void give_extra(struct fetch_box *box)
{
    atomic_fetch_sub_explicit(&box->spills->extra_bytes, box->spill.extra, memory_order_relaxed);
    box->spill.extra = 0;
}

/* May the body have so much in memory? What it has may be doubled as long as there is extra room.
 */
static bool may_have(struct fetch_box *box, uint64_t needed, uint64_t keep_bytes)
{
    struct fetch_spills *spills = box->spills;
    uint64_t have = keep_bytes + box->spill.extra;
    if (needed <= have) {
        return true;
    }
    if (needed > MOST_BYTES || box->spill.is_open) {
        return false;
    }
    uint64_t wanted = needed > 2 * have ? needed : 2 * have;
    uint64_t step = (wanted < MOST_BYTES ? wanted : MOST_BYTES) - have;
    uint64_t sum = atomic_fetch_add_explicit(&spills->extra_bytes, step, memory_order_relaxed);
    box->spill.extra += step;
    if (sum + step > EXTRA_BYTES) {
        box->spill.extra -= step;
        atomic_fetch_sub_explicit(&spills->extra_bytes, step, memory_order_relaxed);
        return false;
    }
    return true;
}

void fetch_body_expect(struct fetch_box *box, uint64_t bytes, uint64_t keep_bytes)
{
    bool fits = may_have(box, bytes, keep_bytes);
    (void)base_buffer_reserve(&box->body, (size_t)(fits ? bytes : keep_bytes));
}

int fetch_body_append(struct fetch_box *box, const char *data, size_t len, uint64_t keep_bytes)
{
    if (!may_have(box, box->body.len + len, keep_bytes)) {
        int why = flush_body(box);
        if (why != 0) {
            return why;
        }
        if (box->spill.extra > 0) { /* others may have that */
            base_buffer_reset(&box->body, 0);
            give_extra(box);
        }
    }
    return base_buffer_append(&box->body, data, len) ? 0 : ENOMEM;
}

uint64_t fetch_body_len(const struct fetch_box *box)
{
    return box->spill.bytes + box->body.len;
}

int fetch_body_complete(struct fetch_box *box)
{
    struct fetch_spill *spill = &box->spill;
    if (!spill->is_open) {
        return 0;
    }
    int why = flush_body(box);
    why = why != 0 ? why : write_all(spill->fd, "", 1); /* readers may rely on a NUL behind it */
    if (why != 0) {
        return why;
    }
    spill->map_bytes = (size_t)spill->bytes + 1;
    /* Private and writable: a reader that changes bytes gets copies of their pages. */
    void *map = mmap(NULL, spill->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, spill->fd, 0);
    if (map == MAP_FAILED) {
        return errno;
    }
    spill->map = map;
    (void)close(spill->fd); /* the mapping keeps the file */
    spill->is_open = false;
    base_buffer_reset(&box->body, 0);
    return 0;
}

void fetch_body_drop(struct fetch_box *box)
{
    struct fetch_spill *spill = &box->spill;
    box->body.len = 0;
    if (spill->is_open) {
        (void)close(spill->fd);
    }
    if (spill->map != NULL) {
        (void)munmap(spill->map, spill->map_bytes);
    }
    if (spill->extra > 0) {
        base_buffer_reset(&box->body, 0); /* the next body is an ordinary one */
        give_extra(box);
    }
    if (spill->bytes > 0) {
        atomic_fetch_sub_explicit(&box->spills->bytes, spill->bytes, memory_order_relaxed);
    }
    *spill = (struct fetch_spill){0};
}

void fetch_spill_explain(const struct fetch_box *box, int why, char *out, size_t size)
{
    struct fetch_spills *spills = box->spills;
    uint32_t suppressed;
    if (why == FETCH_SPILL_FULL) {
        (void)snprintf(out, size, "the bodies under way are larger than %llu bytes together",
                       (unsigned long long)spills->most);
    } else {
        (void)snprintf(out, size, "no place for its body in %.80s: %s",
                       spills->directory != NULL ? spills->directory : "the temporary directory",
                       strerror(why));
    }
    if (base_log_allow(&spills->warned, base_mono_ns(), &suppressed)) {
        base_log_warn("fetch", "storage=\"%s\" suppressed=%u", out, suppressed);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One line about the work: repainted four times a second on a terminal, printed every five seconds
 * elsewhere. Log lines meanwhile go above it: the line is wiped before each of them. */
#include "process_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REPAINT_MS 250
#define PLAIN_MS 5000
#define COUNTS_MS 2000 /* the store is asked for its counts so often at most */

static void write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, text, len);
        if (written <= 0) {
            return;
        }
        text += written;
        len -= (size_t)written;
    }
}

/* Thread: [any]: a log line; one write, so that lines of several threads do not mix. */
static void log_above(void *ctx, enum base_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    struct base_buffer text = {0};
    size_t len = strlen(line);
    bool ends = len > 0 && line[len - 1] == '\n';
    base_buffer_printf(&text, "\r\033[K%s%s", line, ends ? "" : "\n");
    if (!text.failed) {
        write_all(text.data, text.len);
    }
    base_buffer_fini(&text);
}

void progress_start(struct progress *progress, bool is_on)
{
    memset(progress, 0, sizeof *progress);
    progress->is_on = is_on;
    const char *kind = getenv("TERM"); /* a dumb one knows no way to wipe a line */
    progress->is_terminal = isatty(STDERR_FILENO) == 1 && kind != NULL && strcmp(kind, "dumb") != 0;
    progress->last_ns = base_mono_ns();
    progress->next_ns = progress->last_ns + (progress->is_terminal ? 0 : PLAIN_MS * BASE_NS_PER_MS);
    if (is_on && progress->is_terminal) {
        base_log_set_sink(log_above, NULL);
    }
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/* Rate of the last seconds, smoothed, so that a burst of one batch does not jump. */
static void update_rate(struct progress *progress, uint64_t now_ns, uint64_t pages)
{
    double seconds = (double)(now_ns - progress->last_ns) / 1e9;
    if (seconds <= 0) {
        return;
    }
    double now = (double)(pages - progress->last_pages) / seconds;
    double weight = seconds > 2 ? 1 : seconds / 2;
    progress->rate += (now - progress->rate) * weight;
    progress->last_ns = now_ns;
    progress->last_pages = pages;
}

static void format_line(const struct progress *progress, const struct admin_figures *figures,
                        char *out, size_t out_size)
{
    char database[300];
    admin_describe_database(figures, database, sizeof database);
    char stored[60] = "";
    uint64_t waiting = progress->counts.ready + progress->counts.waiting;
    uint64_t kept = figures->workers.unchanged + figures->workers.fresh;
    if (kept > 0) {
        (void)snprintf(stored, sizeof stored, ", %llu unchanged", (unsigned long long)kept);
    }
    (void)snprintf(out, out_size,
                   "%llu pages%s, %.0f/s, queue %llu, in flight %llu, errors %llu, %s%s",
                   (unsigned long long)figures->workers.pages, stored, progress->rate,
                   (unsigned long long)waiting, (unsigned long long)figures->workers.in_flight,
                   (unsigned long long)admin_failures(figures), database,
                   figures->is_stopping ? ", stopping" : "");
}

/* An idle service asks its store nothing for our sake. */
static bool has_moved(struct progress *progress, const struct work *work)
{
    struct queue_stats stats;
    queue_read_stats(work->queue, &stats);
    uint64_t moves = stats.claimed + stats.settled + stats.links_new + 1;
    bool has = moves != progress->last_moves;
    progress->last_moves = moves;
    return has;
}

/* Never waits: a count that has come by now is shown, and the next one is started. */
static void update_counts(struct progress *progress, struct work *work, uint64_t now_ns)
{
    struct store_counts counts;
    bool is_good = false;
    if (work_count_take(work, now_ns, &counts, &is_good) && is_good) {
        progress->counts = counts;
    }
    if (now_ns >= progress->next_counts_ns && has_moved(progress, work)) {
        progress->next_counts_ns = now_ns + COUNTS_MS * BASE_NS_PER_MS;
        work_count_start(work);
    }
}

void progress_tick(struct progress *progress, struct work *work)
{
    uint64_t now_ns = base_mono_ns();
    if (!progress->is_on || now_ns < progress->next_ns) {
        return;
    }
    progress->next_ns = now_ns + (progress->is_terminal ? REPAINT_MS : PLAIN_MS) * BASE_NS_PER_MS;
    struct admin_figures figures;
    update_counts(progress, work, now_ns);
    admin_read(&work->sources, ADMIN_MEMORY_ONLY, &figures);
    update_rate(progress, now_ns,
                figures.workers.pages + figures.workers.unchanged + figures.workers.fresh);
    char line[600];
    char painted[700];
    format_line(progress, &figures, line, sizeof line);
    if (progress->is_terminal) {
        int len =
            snprintf(painted, sizeof painted, "\r\033[K%.*s", (int)terminal_width() - 1, line);
        write_all(painted, (size_t)len);
    } else if (strcmp(line, progress->last_line) != 0) {
        int len = snprintf(painted, sizeof painted, "gleaner: %s\n", line);
        write_all(painted, (size_t)len);
        (void)snprintf(progress->last_line, sizeof progress->last_line, "%s", line);
    }
}

void progress_clear(const struct progress *progress)
{
    if (progress->is_on && progress->is_terminal) {
        write_all("\r\033[K", 4);
    }
}

void progress_end(struct progress *progress)
{
    progress_clear(progress);
    if (progress->is_on && progress->is_terminal) {
        base_log_set_sink(NULL, NULL);
    }
    progress->is_on = false;
}

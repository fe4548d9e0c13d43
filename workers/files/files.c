/* SPDX-License-Identifier: Apache-2.0 */
/* The module: files of a directory (job type `files`, addresses file:///...) become the
 * application's documents. It opens nothing: the host reads the files (runtime/scan). */
#include "page_relevance.h"
#include "page_worker.h"

#include <stdlib.h>

#define COLLECTION "bambicontents"
#define SCHEME "file://"
#define CONTENT_BYTES ((16u << 20) - (256u << 10)) /* MongoDB's limit less the other fields */
#define TITLE_BYTES 1000

/* What is known of one file; slices into the page or the reader. */
struct file {
    const struct gleaner_host *host;
    struct gleaner_task *task;
    const struct gleaner_page *page;
    struct text_buffer path; /* of the address, decoded */
    struct text_slice name, type, title, content;
    const struct page_reader *html; /* its metadata, or NULL */
};

/* ---- the address ---------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_path(struct file *f)
{
    const char *p = f->page->url, *end = p + f->page->url_len;
    size_t scheme = sizeof SCHEME - 1;
    if (f->page->url_len <= scheme || memcmp(p, SCHEME, scheme) != 0) {
        return false;
    }
    for (p += scheme; p < end; p++) {
        int high = *p == '%' && end - p > 2 ? hex(p[1]) : -1;
        int low = high >= 0 ? hex(p[2]) : -1;
        text_buffer_append_char(&f->path, low >= 0 ? (char)(high * 16 + low) : *p);
        p += low >= 0 ? 2 : 0;
    }
    return !f->path.failed;
}

static void read_name(struct file *f)
{
    const char *slash = memrchr(f->path.data, '/', f->path.len);
    const char *begin = slash != NULL ? slash + 1 : f->path.data;
    f->name = (struct text_slice){begin, f->path.len - (size_t)(begin - f->path.data)};
    const char *dot = memrchr(begin, '.', f->name.len);
    f->type = dot != NULL ? (struct text_slice){dot + 1, f->name.len - (size_t)(dot + 1 - begin)}
                          : (struct text_slice){"", 0};
}

/* ---- its title ------------------------------------------------------------------------------ */

/* The first heading of a markdown file: "# Words". */
static struct text_slice first_heading(struct text_slice text)
{
    const char *p = text.data, *end = text.data + text.len;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop != NULL ? stop : end;
        if (stop - p > 2 && p[0] == '#' && p[1] == ' ') {
            return text_trim((struct text_slice){p + 2, (size_t)(stop - p) - 2});
        }
        p = stop + 1;
    }
    return (struct text_slice){"", 0};
}

static void choose_title(struct file *f)
{
    f->title = f->html != NULL                   ? page_meta_fact(&f->html->meta, PAGE_FACT_TITLE)
               : text_equals_word(f->type, "md") ? first_heading(f->content)
                                                 : (struct text_slice){"", 0};
}

/* ---- the document --------------------------------------------------------------------------- */

static struct text_slice cut(struct text_slice text, size_t limit)
{
    size_t len = text.len < limit ? text.len : limit;
    while (len < text.len && len > 0 && ((unsigned char)text.data[len] & 0xC0) == 0x80) {
        len--;
    }
    return (struct text_slice){len > 0 ? text.data : "", len};
}

static void put(const struct file *f, const char *name, struct text_slice text)
{
    f->host->doc_text(f->task, name, text.len > 0 ? text.data : "", text.len);
}

static void put_title(const struct file *f)
{
    struct text_buffer title = {0};
    text_append_collapsed(&title, cut(f->title, TITLE_BYTES));
    /* A required field: mongoose takes no empty text for one. */
    put(f, "title", title.len > 0 ? (struct text_slice){title.data, title.len} : f->name);
    text_buffer_fini(&title);
}

static void put_lower(const struct file *f, const char *name, struct text_slice text)
{
    char lower[16] = "";
    size_t len = text.len < sizeof lower ? text.len : sizeof lower;
    for (size_t i = 0; i < len; i++) {
        lower[i] =
            text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] + 32) : text.data[i];
    }
    f->host->doc_text(f->task, name, lower, len);
}

static void put_metadata(const struct file *f)
{
    static const struct page_meta none = {0};
    const struct page_meta *meta = f->html != NULL ? &f->html->meta : &none;
    struct text_slice description = {"", 0};
    if (f->html != NULL) {
        description = page_meta_fact(meta, PAGE_FACT_DESCRIPTION);
    }
    page_meta_emit_content(meta, f->host, f->task, description, true, f->page->fetched_at_ms);
}

static enum gleaner_verdict emit(const struct file *f)
{
    const struct gleaner_host *host = f->host;
    const char *type = f->page->content_type != NULL ? f->page->content_type : "";
    if (host->doc_begin(f->task, COLLECTION, f->page->url, f->page->url_len) != GLEANER_OK) {
        host->log(f->task, 0, "files: the host takes no document");
        return GLEANER_PAGE_RETRY;
    }
    host->doc_text(f->task, "type", "document", 8);
    put_lower(f, "fileType", f->type);
    put_title(f);
    put(f, "content", cut(f->content, CONTENT_BYTES));
    host->doc_text(f->task, "source", "local", 5);
    put_metadata(f);
    put(f, "filePath", (struct text_slice){f->path.data, f->path.len});
    put(f, "mediaType", text_trim((struct text_slice){type, strcspn(type, ";")}));
    host->doc_date(f->task, "dateAdded", f->page->fetched_at_ms);
    host->doc_int(f->task, "__v", 0);
    if (host->doc_commit(f->task) != GLEANER_OK) {
        host->log(f->task, 0, "files: the document was refused");
        return GLEANER_PAGE_FAILED;
    }
    return GLEANER_PAGE_DONE;
}

static enum gleaner_verdict judge(struct file *f)
{
    if (!read_path(f)) {
        f->host->log(f->task, 0, "files: this is no file: address");
        return GLEANER_PAGE_FAILED;
    }
    read_name(f);
    choose_title(f);
    const struct text_slice texts[] = {f->content, f->title, f->name};
    bool found = text_trim(f->content).len > 0 &&
                 page_is_relevant(f->host, f->task, texts, sizeof texts / sizeof texts[0]);
    f->host->content_found(f->task, found);
    return found ? emit(f) : GLEANER_PAGE_DONE;
}

/* ---- HTML: what a reader sees, a line a block ------------------------------------------------ */

struct files_context {
    struct page_reader reader;
    struct text_buffer lines;
};

static void nothing_opened(void *ctx, const lxb_html_token_t *token)
{
    (void)ctx;
    (void)token;
}

static void nothing_closed(void *ctx, uintptr_t tag)
{
    (void)ctx;
    (void)tag;
}

static void nothing_said(void *ctx, uintptr_t raw_tag, const char *data, size_t len)
{
    (void)ctx;
    (void)raw_tag;
    (void)data;
    (void)len;
}

static void html_begin(void *context)
{
    text_buffer_clear(&((struct files_context *)context)->lines);
}

static void html_fini(void *context)
{
    text_buffer_fini(&((struct files_context *)context)->lines);
}

static size_t html_bytes(const void *context)
{
    return ((const struct files_context *)context)->lines.cap;
}

static void tidy_lines(struct files_context *c)
{
    const char *p = c->reader.text.data;
    const char *end = p != NULL ? p + c->reader.text.len : p;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop != NULL ? stop : end;
        struct text_slice line = text_trim((struct text_slice){p, (size_t)(stop - p)});
        size_t before = c->lines.len;
        text_append_collapsed(&c->lines, line);
        if (before > 0 && c->lines.len > before) {
            c->lines.data[before] = '\n'; /* instead of the space between words */
        }
        p = stop + 1;
    }
}

static enum gleaner_verdict html_emit(void *context)
{
    struct files_context *c = context;
    const struct page_reader *r = &c->reader;
    tidy_lines(c);
    struct file f = {.host = r->host,
                     .task = r->task,
                     .page = r->page,
                     .content = {c->lines.data, c->lines.len},
                     .html = r};
    enum gleaner_verdict verdict = c->lines.failed ? GLEANER_PAGE_RETRY : judge(&f);
    text_buffer_fini(&f.path);
    return verdict;
}

static const struct page_worker_kind kind = {
    .name = "files",
    .context_size = sizeof(struct files_context),
    .begin = html_begin,
    .fini = html_fini,
    .bytes = html_bytes,
    .sink = {.open = nothing_opened, .close = nothing_closed, .text = nothing_said},
    .emit = html_emit,
    .is_local = true,
};

/* ---- the module ------------------------------------------------------------------------------ */

static enum gleaner_status files_open(const struct gleaner_host *host, void **state)
{
    (void)host;
    return page_worker_open(state);
}

static enum gleaner_verdict files_handle(void *state, const struct gleaner_host *host,
                                         struct gleaner_task *task, const struct gleaner_page *page)
{
    if (page_is_readable(page)) {
        return page_worker_handle(state, &kind, host, task, page);
    }
    struct file f = {
        .host = host, .task = task, .page = page, .content = {page->body, page->body_len}};
    enum gleaner_verdict verdict = judge(&f);
    text_buffer_fini(&f.path);
    return verdict;
}

static void files_close(void *state)
{
    page_worker_close(state, &kind);
}

static const char *const types[] = {"files", NULL};

extern const struct gleaner_module gleaner_module;
GLEANER_API const struct gleaner_module gleaner_module = {
    .size = sizeof(struct gleaner_module),
    .abi = GLEANER_MODULE_ABI,
    .name = "files",
    .version = GLEANER_VERSION,
    .types = types,
    .open = files_open,
    .handle = files_handle,
    .close = files_close,
};

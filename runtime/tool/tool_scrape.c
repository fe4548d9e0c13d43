/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner scrape: what would be stored of one page, by the modules that crawls run. */
#include "tool_internal.h"
#include <string.h>

#define FILE_URL "http://localhost/" /* of a FILE without --url */

/* A page before it is decoded. */
struct source {
    const char *body, *url, *content_type;
    size_t len;
    bool noindex, nofollow; /* as its headers say */
    int http_status;
};

static const char *verdict_name(enum gleaner_verdict verdict)
{
    static const char *const names[] = {"done", "retry", "failed", "skipped"};
    return (size_t)verdict < BASE_ARRAY_LEN(names) ? names[verdict] : "unknown";
}

static struct gleaner_page page_of(const struct tool_options *options, const struct source *source,
                                   struct base_slice body, const char *charset, const char *type)
{
    return (struct gleaner_page){
        .size = sizeof(struct gleaner_page),
        .url = source->url,
        .url_len = strlen(source->url),
        .body = body.data != NULL ? body.data : "",
        .body_len = body.len,
        .content_type = source->content_type,
        .charset = charset,
        .type = type,
        .http_status = source->http_status,
        .fetched_at_ms = base_wall_ms(),
        .want_markdown = options->markdown,
        .want_links = true,
        .raw = source->body,
        .raw_len = source->len,
        .robots_agent = options->agent,
    };
}

/* ---- a batch: the page as one object -------------------------------------------------------- */

/* The first field of that name in the page's own documents, or NULL; borrowed. */
static json_t *field_of(const struct tool_record *record, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach(record->documents, i, entry)
    {
        json_t *field = json_object_get(json_object_get(entry, "document"), name);
        if (field != NULL) {
            return field;
        }
    }
    return NULL;
}

/* Modules before metadata: what they gave singly. */
static json_t *plain_metadata(const struct tool_record *record)
{
    static const char *const names[] = {"description", "canonical"};
    json_t *metadata = json_object();
    for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
        json_t *field = field_of(record, names[i]);
        (void)json_object_set(metadata, names[i], field != NULL ? field : json_null());
    }
    return metadata;
}

/* What the answer holds; each from the first module that has it. */
static const struct {
    const char *name;
    bool is_list;
} answer_fields[] = {
    {"title", false}, {"text", false},  {"main_text", false}, {"links", true},
    {"images", true}, {"videos", true}, {"metadata", false},
};

/* Append the items of `from` that are new. `seen` is a set: its keys. */
static void add_new(json_t *list, json_t *seen, const json_t *from)
{
    size_t i;
    json_t *item;
    json_array_foreach(from, i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && json_object_get(seen, text) == NULL) {
            (void)json_object_set_new(seen, text, json_true());
            (void)json_array_append(list, item);
        }
    }
}

/* The image module reads more places than the page's own list does (srcset, lazy loading), and may
 * leave out what is no content: its list, and what else the page names. */
static json_t *all_images(const json_t *of_page, const json_t *of_module)
{
    json_t *all = json_array(), *seen = json_object();
    add_new(all, seen, of_module);
    add_new(all, seen, of_page);
    json_decref(seen);
    return all;
}

/* What the root element says, else what the metadata does: <meta http-equiv=content-language> is
 * the language of a root without one (HTML). Borrowed. */
static json_t *language_of(const struct tool_record *page, const json_t *metadata)
{
    json_t *language = field_of(page, "language");
    if (!json_is_string(language)) {
        language = json_object_get(metadata, "language");
    }
    return json_is_string(language) ? language : json_null();
}

static json_t *merge(const struct tool_record records[], size_t count, const char *charset)
{
    json_t *answer = json_object();
    for (size_t f = 0; f < BASE_ARRAY_LEN(answer_fields); f++) {
        json_t *value = NULL;
        for (size_t i = 0; i < count && (value == NULL || json_is_null(value)); i++) {
            json_t *field = field_of(&records[i], answer_fields[f].name);
            value = field != NULL ? field : value;
        }
        if (value != NULL) {
            (void)json_object_set(answer, answer_fields[f].name, value);
        } else {
            (void)json_object_set_new(answer, answer_fields[f].name,
                                      answer_fields[f].is_list ? json_array() : json_null());
        }
    }
    if (json_is_null(json_object_get(answer, "metadata"))) {
        (void)json_object_set_new(answer, "metadata", plain_metadata(&records[0]));
    }
    (void)json_object_set_new(
        answer, "images",
        all_images(field_of(&records[0], "images"), field_of(&records[1], "images")));
    json_t *details = field_of(&records[1], "image_details");
    if (details != NULL) {
        (void)json_object_set(answer, "image_details", details);
    }
    (void)json_object_set_new(answer, "charset", tool_text(charset));
    (void)json_object_set(answer, "language",
                          language_of(&records[0], json_object_get(answer, "metadata")));
    return answer;
}

/* The first module decides whether this is a page at all; the others add to it. */
static json_t *answer_page(const struct tool_options *options, const struct source *source,
                           struct base_slice body, const char *charset)
{
    static const char *const types[] = {"page", "image", "video"}; /* merge() knows their order */
    struct tool_record records[BASE_ARRAY_LEN(types)] = {{0}};
    json_t *answer = NULL;
    for (size_t i = 0; i < BASE_ARRAY_LEN(types) && answer == NULL; i++) {
        struct gleaner_page page = page_of(options, source, body, charset, types[i]);
        enum gleaner_status status =
            tool_record_page(options, &page, TOOL_RECORD_ONE_DOCUMENT, &records[i]);
        if (i > 0) {
            continue;
        }
        if (status != GLEANER_OK) {
            answer = tool_error("no module takes pages");
        } else if (records[i].verdict != GLEANER_PAGE_DONE) {
            answer =
                tool_error("%s by module %s (content type '%s')", verdict_name(records[i].verdict),
                           records[i].module, source->content_type);
        }
    }
    if (answer == NULL) {
        answer = merge(records, BASE_ARRAY_LEN(types), charset);
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
        tool_record_fini(&records[i]);
    }
    return answer;
}

static bool is_ascii(struct base_slice text)
{
    size_t i = 0;
    while (i < text.len && (unsigned char)text.data[i] < 0x80) {
        i++;
    }
    return i == text.len;
}

/* Bytes of which nothing tells the charset, and for which it makes no difference: the HTML standard
 * calls them windows-1252. What came as text of a JSON line is UTF-8. */
static const char *name_charset(const struct tool_bytes *html, const struct source *source,
                                struct base_slice body, const char *charset)
{
    bool is_open = html->owned != NULL && is_ascii(body) &&
                   !fetch_charset_is_declared(html->data, html->len, source->content_type);
    return is_open ? "windows-1252" : charset;
}

static json_t *answer(void *ctx, const json_t *question)
{
    const struct tool_options *options = ctx;
    struct source source = {.http_status = 200};
    struct tool_bytes html = {0};
    struct base_buffer url = {0}, scratch = {0};
    struct base_slice body;
    const char *address, *charset;
    json_t *result = NULL;
    if (!tool_string_of(question, "url", NULL, &address, &result) ||
        !tool_string_of(question, "content_type", "text/html", &source.content_type, &result) ||
        !tool_bytes_of(question, "html", &html, &result)) {
        return result;
    }
    if (tool_normalise(address, &url, NULL) != GLEANER_OK) {
        result = tool_error("\"url\" is no absolute http or https URL");
    } else if (fetch_decode(html.data, html.len, source.content_type, &scratch, &body, &charset) ==
               GLEANER_OK) {
        source.url = url.data;
        charset = name_charset(&html, &source, body, charset);
        result = answer_page(options, &source, body, charset);
    }
    tool_bytes_fini(&html);
    base_buffer_fini(&scratch);
    base_buffer_fini(&url);
    return result;
}

/* ---- one page: everything that came of it ---------------------------------------------------- */

static json_t *report(const struct source *source, const char *type, const char *charset,
                      const struct tool_record *record)
{
    bool noindex = record->noindex || source->noindex;
    bool nofollow = record->nofollow || source->nofollow;
    bool is_found = record->has_found ? record->found : json_array_size(record->documents) > 0;
    bool is_stored = !noindex && is_found && (record->verdict == GLEANER_PAGE_DONE);
    return json_pack("{s:o, s:s, s:s, s:s, s:i, s:o, s:o, s:b, s:b, s:b, s:b, s:O, s:O, s:O}",
                     "url", tool_text(source->url), "type", type, "module", record->module,
                     "verdict", verdict_name(record->verdict), "status", source->http_status,
                     "content_type", tool_text(source->content_type), "charset", tool_text(charset),
                     "stored", is_stored, "content_found", is_found, "noindex", noindex, "nofollow",
                     nofollow, "documents", record->documents, "links", record->links, "log",
                     record->messages);
}

static int show(const struct tool_options *options, const struct source *source)
{
    struct base_buffer scratch = {0};
    struct base_slice body;
    struct tool_record record = {0};
    const char *charset, *type = options->type != NULL ? options->type : "page";
    if (fetch_decode(source->body, source->len, source->content_type, &scratch, &body, &charset) !=
        GLEANER_OK) {
        return tool_fail(options, TOOL_NO, "no memory");
    }
    struct gleaner_page page = page_of(options, source, body, charset, type);
    bool is_page = strcmp(type, "page") == 0;
    page.want_links = is_page;
    page.want_markdown |= !is_page; /* as the service gives submissions */
    int code;
    if (tool_record_page(options, &page, TOOL_RECORD_AS_STORED, &record) != GLEANER_OK) {
        char known[1000];
        (void)module_describe(options->modules, known, sizeof known);
        code = tool_fail(options, TOOL_USAGE, "no module takes type '%s'; there are:\n%s", type,
                         known);
    } else {
        json_t *object = report(source, type, charset, &record);
        bool is_good = tool_print(options, object);
        code = is_good && json_is_true(json_object_get(object, "stored")) ? TOOL_YES : TOOL_NO;
        json_decref(object);
    }
    tool_record_fini(&record);
    base_buffer_fini(&scratch);
    return code;
}

static int show_result(const struct tool_options *options, const struct fetch_result *result)
{
    const struct source source = {
        .body = result->body,
        .len = result->body_len,
        .url = result->url,
        .content_type = result->content_type != NULL ? result->content_type : "",
        .noindex = result->noindex,
        .nofollow = result->nofollow,
        .http_status = result->http_status,
    };
    return show(options, &source);
}

static int show_file(const struct tool_options *options, const char *path)
{
    struct base_error error = {0};
    struct base_buffer body = {0}, url = {0};
    enum gleaner_status status =
        tool_normalise(options->url != NULL ? options->url : FILE_URL, &url, &error);
    if (status == GLEANER_OK) {
        status = tool_read_file(options, path, &body, &error);
    }
    int code;
    if (status != GLEANER_OK) {
        code = tool_fail(options, TOOL_USAGE, "%s", error.message);
    } else {
        const struct source source = {.body = body.data,
                                      .len = body.len,
                                      .url = url.data,
                                      .content_type = "text/html",
                                      .http_status = 200};
        code = show(options, &source);
    }
    base_buffer_fini(&body);
    base_buffer_fini(&url);
    return code;
}

int tool_scrape(const struct tool_options *options)
{
    if (options->batch) {
        return tool_batch_run(options, answer, (void *)(uintptr_t)options);
    }
    if (options->operand_count != 1) {
        return tool_fail(options, TOOL_USAGE, "one operand is wanted: gleaner scrape URL|FILE");
    }
    const char *operand = options->operands[0];
    return tool_is_url(operand) ? tool_show_fetched(options, operand, show_result)
                                : show_file(options, operand);
}

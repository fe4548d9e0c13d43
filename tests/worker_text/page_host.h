/* SPDX-License-Identifier: Apache-2.0 */
/* A host for one page at a time that keeps what a module gives it: for the suites and for
 * bench/extract. */
#ifndef PAGE_HOST_H
#define PAGE_HOST_H

#include "base.h"
#include "module.h"

#define PAGE_HOST_FIELDS 32
#define PAGE_HOST_COUNTERS 16

enum page_field_kind { PAGE_TEXT, PAGE_INT, PAGE_DATE, PAGE_BOOL, PAGE_NULL, PAGE_LIST };
struct page_field {
    char name[32];
    enum page_field_kind kind;
    struct base_buffer text; /* PAGE_TEXT; the items of PAGE_LIST, each with its NUL */
    int64_t number;
    size_t count; /* items of PAGE_LIST */
};

struct page_counter {
    const char *name;
    uint64_t value;
};

/* What one page gave. The task that modules see is a pointer to this. */
struct page_result {
    enum gleaner_verdict verdict;
    unsigned documents; /* committed */
    bool open;          /* between doc_begin and doc_commit */
    bool refuse;        /* make doc_commit fail */
    bool stop;          /* what should_stop answers */
    char key[2048];
    struct page_field fields[PAGE_HOST_FIELDS];
    size_t field_count;
    bool in_list;
    struct page_field followed;
    bool noindex, nofollow;
    int content_found; /* -1 not said */
    char last_log[256];
    struct page_counter counters[PAGE_HOST_COUNTERS];
};

extern const struct gleaner_host page_host;

/** Reset `result` and let the module registered for page->type handle the page. */
enum gleaner_status page_host_run(struct module_registry *registry, const struct gleaner_page *page,
                                  struct page_result *result);
void page_result_fini(struct page_result *result);
const struct page_field *page_result_field(const struct page_result *result, const char *name);
/** Item i of a list, or NULL. */
const char *page_field_item(const struct page_field *field, size_t i);
uint64_t page_result_counter(const struct page_result *result, const char *name);
/** The document as one line of JSON. */
void page_result_json(const struct page_result *result, struct base_buffer *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The real modules, loaded through runtime/module, with a host that keeps each document as one line
 * of JSON: for the suites of image, video, and text as a submission. */
#ifndef RECORD_HOST_H
#define RECORD_HOST_H

#include "base.h"
#include "module.h"

#include <criterion/criterion.h>

#define RECORD_DOCUMENTS 64
#define RECORD_SETTINGS 4
#define RECORD_URL "http://h.test/d/page.html"
#define RECORD_TIME 1700000000123

struct record_document {
    char collection[32]; /* "" the crawl's own */
    char key[512];
    struct base_buffer json;
};

struct record {
    enum gleaner_verdict verdict;
    struct record_document documents[RECORD_DOCUMENTS];
    size_t count;
    bool open, first_field;
    unsigned depth;
    char closers[32]; /* of the open objects and arrays */
    bool refuse;      /* make doc_commit fail */
    bool refuse_begin;
    bool stop;         /* what should_stop answers */
    int content_found; /* -1 not said */
    bool noindex, nofollow;
    char last_log[256];
    struct {
        const char *name, *value;
    } settings[RECORD_SETTINGS];
};

extern struct record record;
extern struct module_registry *record_registry;

void record_setup(void); /* loads all three modules */
void record_teardown(void);
/** Settings stay until the end of the test. */
void record_set(const char *name, const char *value);
/** A page as the host would pass it: type "image" and so on. */
struct gleaner_page record_page(const char *type, const char *html);
void record_run_page(const struct gleaner_page *page);
/** As a submission of the application: want_links false, want_markdown true. */
void record_submit(const char *type, const char *html);
/** As `gleaner scrape`: one document of the page. */
void record_scrape(const char *type, const char *html);
/** JSON of document i, "(none)" when there are fewer. */
const char *record_json(size_t i);
/** JSON value of a top-level field of document 0, in a static buffer. */
const char *record_field(const char *name);

#endif

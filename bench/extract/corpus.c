/* SPDX-License-Identifier: Apache-2.0 */
#include "corpus.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool corpus_read_file(const char *path, struct base_buffer *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) {
        base_buffer_append(out, piece, n);
    }
    bool fine = !ferror(file) && base_buffer_reserve(out, 1);
    fclose(file);
    if (fine) {
        out->data[out->len] = '\0';
    }
    return fine;
}

static bool add_page(struct corpus *corpus, const char *base, const char *path, const char *below)
{
    struct corpus_page *pages =
        realloc(corpus->pages, (corpus->count + 1) * sizeof(struct corpus_page));
    if (pages == NULL) {
        return false;
    }
    corpus->pages = pages;
    struct corpus_page *page = &pages[corpus->count];
    memset(page, 0, sizeof *page);
    if (asprintf(&page->url, "%s/%s", base, below) < 0 || !corpus_read_file(path, &page->body)) {
        return false;
    }
    corpus->count++;
    corpus->bytes += page->body.len;
    return true;
}

static bool is_html(const FTSENT *entry)
{
    return entry->fts_info == FTS_F && entry->fts_namelen > 5 &&
           strcmp(entry->fts_name + entry->fts_namelen - 5, ".html") == 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

bool corpus_load(struct corpus *corpus, const char *base, const char *folder)
{
    memset(corpus, 0, sizeof *corpus);
    corpus->name = base;
    char *roots[] = {strdup(folder), NULL};
    FTS *walk = roots[0] != NULL ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
    bool fine = walk != NULL;
    for (FTSENT *entry; fine && (entry = fts_read(walk)) != NULL;) {
        if (is_html(entry)) {
            fine = add_page(corpus, base, entry->fts_path, entry->fts_path + strlen(folder) + 1);
        }
    }
    if (walk != NULL) {
        fts_close(walk);
    }
    free(roots[0]);
    return fine && corpus->count > 0;
}

void corpus_fini(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->pages[i].url);
        base_buffer_fini(&corpus->pages[i].body);
    }
    free(corpus->pages);
    memset(corpus, 0, sizeof *corpus);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORPUS_H
#define CORPUS_H

#include "base.h"

struct corpus_page {
    char *url;
    struct base_buffer body;
};
/* The HTML files of one folder, in memory. */
struct corpus {
    const char *name;
    struct corpus_page *pages;
    size_t count;
    size_t bytes;
};

/** Read every *.html below `folder`; addresses are `base` and the path below it. */
bool corpus_load(struct corpus *corpus, const char *base, const char *folder);
void corpus_fini(struct corpus *corpus);
bool corpus_read_file(const char *path, struct base_buffer *out);

#endif

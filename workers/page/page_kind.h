/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages a module that reads HTML takes. */
#ifndef PAGE_KIND_H
#define PAGE_KIND_H

#include "gleaner/worker.h"

/** A good answer (2xx, or 0: not from HTTP), text/html or XHTML by its header; without a header
 *  what begins like markup. */
bool page_is_readable(const struct gleaner_page *page);

/** The page's setting: `document: page` or `document: content` decide; without it a job whose
 *  links are wanted gets one document of the page, a submission the application's documents. */
bool page_wants_page_document(const struct gleaner_host *host, struct gleaner_task *task,
                              const struct gleaner_page *page);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_ROBOTS_H
#define PAGE_ROBOTS_H

#include "gleaner/worker.h"
#include "text_buffer.h"

/**
 * Read a <meta>: of the name robots, or of our own token (page->robots_agent). True when it is one;
 * sets what its content asks for, what it does not name stays as it is. A date of unavailable_after
 * that lies before the fetch of the page is noindex.
 */
bool page_read_robots(const struct gleaner_page *page, struct text_slice name,
                      struct text_slice content, bool *noindex, bool *nofollow);

/** Seconds since 1970 of a date of RFC 822, RFC 850 or ISO 8601; without a zone it is UTC. */
bool page_read_date(struct text_slice text, int64_t *seconds);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_ROBOTS_H
#define PAGE_ROBOTS_H

#include "text_buffer.h"

/** Set what the content of a <meta name=robots> asks for; what it does not name stays as it is. */
void page_read_robots(struct text_slice content, bool *noindex, bool *nofollow);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* srcset, as the HTML standard parses it ("parse a srcset attribute"): addresses may hold commas,
 * descriptors may hold commas inside parentheses. */
#ifndef PAGE_SRCSET_H
#define PAGE_SRCSET_H

#include "text_buffer.h"

/** Take the next candidate's address from the front of `rest`. False when there is none. */
bool page_srcset_next(struct text_slice *rest, struct text_slice *url);

#endif
